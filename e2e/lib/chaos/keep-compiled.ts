/** Loaded before a program that is going to be killed: keeps what was compiled, which is otherwise done at the end that it does not live to see. */
import { flushCompileCache } from "node:module";

const everyMs = 1_000;
const times = 8;

for (let time = 1; time <= times; time++) setTimeout(flushCompileCache, time * everyMs).unref();
