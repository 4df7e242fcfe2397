#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { CommanderError } from "commander";
import { CliError } from "./error.ts";
import { createProgram } from "./program.ts";

// Every process of the stack loads the same modules: the second one, and the next start, need not compile them again.
enableCompileCache();

// What gRPC prints on its own is said by our errors and logs as well.
process.env["GRPC_VERBOSITY"] ??= "NONE";

// Started by another process of the stack: when that one dies, however it dies, the channel closes and this one ends too.
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));

try {
  await createProgram().parseAsync(process.argv);
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    // Help and version are not mistakes; commander has already printed what it had to say.
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  } else {
    const error = CliError.from(thrown);
    process.stderr.write(`almanac: ${error.message.replace(/^(\[\w+\] )+/, "")}\n`);
    process.exitCode = error.exitCode;
  }
}
// Everything has been flushed by now; an exporter that is still retrying in vain must not keep the process.
process.exit();
