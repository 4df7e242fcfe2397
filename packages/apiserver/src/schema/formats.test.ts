import { describe, expect, it } from "vitest";
import { stringFormats } from "./formats.ts";

describe("stringFormats", () => {
  it.each<[string, string[], string[]]>([
    ["bsonobjectid", ["507f1f77bcf86cd799439011"], ["507f", "zz7f1f77bcf86cd799439011"]],
    [
      "uri",
      ["https://host:80/a?b", "/absolute", "urn:x:y", "http://[::1]:8080/"],
      ["", "relative", "http://a b", "/%zz", "http://h:port"],
    ],
    ["email", ["a@b.c", '"x y"@b', "Ann <ann@example.com>"], ["a", "@b", "a@", "a..b@c", "a@b c"]],
    [
      "hostname",
      ["example.com", "a", "1host.example", "x".repeat(63)],
      ["", "-a", "a-.b", "a.", "x".repeat(64), "a_b"],
    ],
    ["ipv4", ["10.0.0.1"], ["10.0.0", "256.0.0.1", "01.0.0.1", "::1"]],
    [
      "ipv6",
      ["::", "::1", "fe80::1:2", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1"],
      ["10.0.0.1", ":::", "1::2::3", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8::"],
    ],
    ["cidr", ["10.0.0.0/8", "fd00::/64"], ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0.0/08"]],
    [
      "mac",
      ["00:11:22:aa:bb:cc", "00-11-22-aa-bb-cc", "0011.22aa.bbcc", "00:11:22:33:44:55:66:77", "001122aabbcc"],
      ["00:11:22:aa:bb", "00:11-22:aa:bb:cc", "001122aabbc"],
    ],
    ["uuid", ["123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"], ["123e4567"]],
    ["uuid4", ["123e4567-e89b-42d3-a456-426614174000"], ["123e4567-e89b-12d3-a456-426614174000"]],
    ["isbn", ["0-321-75104-3", "978-0321751041"], ["0-321-75104-4", "978-0321751042", "12"]],
    ["creditcard", ["4111 1111 1111 1111"], ["4111 1111 1111 1112", "1"]],
    ["ssn", ["123-45-6789"], ["123-45-678"]],
    ["hexcolor", ["#fff", "00FF00"], ["#ff"]],
    ["rgbcolor", ["rgb(1, 2,255)"], ["rgb(1,2,256)", "rgb(1,2)"]],
    ["byte", ["aGk=", "YWJj"], ["", "aGk", "aG=k"]],
    ["password", ["", "x"], []],
    ["date", ["2024-02-29"], ["2023-02-29", "2024-13-01", "24-1-1"]],
    ["duration", ["1h30m", "-1.5s", "0", "22 ns", "3 days", "at least 5 minutes"], ["", "1", "h", "1 fortnight"]],
    [
      "datetime",
      ["2024-02-29T12:00:00Z", "2024-02-29t12:00:00.5+02:00"],
      ["2024-02-29", "2024-02-29T24:00:00Z", "2024-02-29T12:00:00"],
    ],
    ["quantity", ["10Gi", "whatever"], []],
    ["k8sshortname", ["a-1"], ["A", "-a", "a.b", "a".repeat(64)]],
    ["k8slongname", ["a.b-c"], ["a..b", "A.b"]],
  ])("%s", (format, good, bad) => {
    const check = stringFormats[format];
    for (const text of good) expect(check?.(text), text).toBe(true);
    for (const text of bad) expect(check?.(text), text).toBe(false);
  });
});
