import type { ApiServer } from "../src/index.ts";
import type { ServerUnderTest } from "./client.ts";

/** The embedded API as the suite sees it. */
export function embedded({ url, token, store }: ApiServer): ServerUnderTest {
  return {
    flavor: "embedded",
    url,
    token,
    strangerToken: "nobody-knows-this-token",
    async compact() {
      store.forgetHistory();
    },
  };
}
