export { createTestPki, writeTestCertificate } from "./test-pki.ts";
export { createVirtualClock } from "./virtual-clock.ts";
export type { TestCertificate, TestCertificateFiles, TestCertificateOptions, TestPki } from "./test-pki.ts";
export type { VirtualClock } from "./virtual-clock.ts";
