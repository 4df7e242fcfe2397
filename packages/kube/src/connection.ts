/** What one request needs to identify its sender. */
export interface Credentials {
  /** Value of the `authorization` header. */
  readonly authorization?: string;
  /** PEM of the client certificate and its key. */
  readonly cert?: string;
  readonly key?: string;
}

/** Source of credentials. Holds them in a closure, so that a logged connection shows none. */
export interface KubeAuth {
  /** With `refresh` the last ones were refused (401): read or fetch them anew. */
  credentials(options: { readonly refresh: boolean }): Promise<Credentials>;
}

/** Where the API server is and how to talk to it. Contains no secret that a logger could print. */
export interface KubeConnection {
  /** `https://host:port`, path allowed. */
  readonly server: string;
  /** Namespace for keys that name none. Default: `default`. */
  readonly namespace?: string;
  /** PEM of the authorities that may sign the server's certificate. Default: the system's. */
  readonly ca?: string;
  /** Name expected in the server's certificate. Default: the host of `server`. */
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** Default: anonymous. */
  readonly auth?: KubeAuth;
}

/** A token that never changes. */
export function bearerToken(token: string): KubeAuth {
  return { credentials: () => Promise.resolve({ authorization: `Bearer ${token}` }) };
}
