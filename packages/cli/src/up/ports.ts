import { createServer } from "node:net";
import { CliError } from "../error.ts";

/** A port that was chosen, and whether it is the one that was preferred. */
export interface ChosenPort {
  readonly port: number;
  readonly wasTaken: boolean;
}

/**
 * A port on 127.0.0.1: `preferred` when it is free, any other free one when it is not. With `strict` (the user asked for just
 * that port) a taken one is an error. Never gives the same port twice within this process.
 */
export async function choosePort(preferred: number, options: { readonly strict?: boolean } = {}): Promise<ChosenPort> {
  if (!given.has(preferred) && (await tryListen(preferred)) !== undefined) {
    given.add(preferred);
    return { port: preferred, wasTaken: false };
  }
  if (options.strict) {
    throw new CliError("usage", `port ${preferred} on 127.0.0.1 is taken; give another one, or 0 for any free one`);
  }
  for (;;) {
    const port = await tryListen(0);
    if (port === undefined || given.has(port)) continue;
    given.add(port);
    return { port, wasTaken: preferred !== 0 };
  }
}

const given = new Set<number>();

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      const actual = typeof address === "object" && address !== null ? address.port : port;
      server.close(() => resolve(actual));
    });
  });
}
