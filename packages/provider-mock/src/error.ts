import { CodedError } from "@almanac/core";

/** `invalid_options`: an option has a value it cannot have; the message names it, the value and what is accepted. */
export type MockProviderErrorCode = "invalid_options";

/** What starting a mock provider can throw besides a ProviderError. */
export class MockProviderError extends CodedError<MockProviderErrorCode> {}
