import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProviderError } from "@almanac/provider";

/** SHA-256 of some bytes in hexadecimal. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** The bytes a disk of this content has in this format: 4 KiB that stand for all of them. */
export function diskBytes(content: string, format: string): Buffer {
  const blocks: Buffer[] = [];
  for (let block = 0; block < 128; block++) {
    blocks.push(createHash("sha256").update(`${content}/${format}/${block}`).digest());
  }
  return Buffer.concat(blocks);
}

/** Where exported disks lie. */
export interface ExportFiles {
  /** Writes what is at `url` as a whole: a reader sees the old bytes or the new ones. */
  write(url: string, content: string, format: string): void;
  /** SHA-256 of what lies at `url`; `known` is what the record of the export says. */
  checksum(url: string, known: string): string;
}

/** Without a directory nothing is written, since the bytes follow from the content. */
export function createExportFiles(directory: string | undefined): ExportFiles {
  if (directory === undefined) return { write() {}, checksum: (_url, known) => known };
  // A URL may hold anything; its digest is always a good file name.
  const fileOf = (url: string): string => join(directory, `${sha256(url).slice(0, 32)}.img`);
  return {
    write(url, content, format) {
      mkdirSync(directory, { recursive: true });
      const file = fileOf(url);
      writeFileSync(`${file}.new`, diskBytes(content, format));
      renameSync(`${file}.new`, file);
    },
    checksum(url) {
      try {
        return sha256(readFileSync(fileOf(url)));
      } catch (cause) {
        throw new ProviderError("NOT_FOUND", `source_url: nothing lies at ${url}`, { cause });
      }
    },
  };
}
