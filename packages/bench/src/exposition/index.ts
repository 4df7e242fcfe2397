export { benchExposition } from "./exposition.ts";
