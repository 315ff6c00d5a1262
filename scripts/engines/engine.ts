/** A server that the tests can be run against. */
export interface Engine {
  /** As in `npm run engines -- start NAME` and in REQUIRE_BACKENDS. */
  readonly name: string;
  /** The environment variable through which the tests learn its URL. */
  readonly variable: string;
  /** When all are started, a failure of this one fails the command. Others are reported, and their tests are skipped. */
  readonly isRequired?: boolean;
  /** Installs what is missing, starts the server unless it runs, and returns its URL once it answers. */
  start(directory: string): Promise<string>;
  stop(directory: string): Promise<void>;
  /** The URL of the server, when it runs. */
  running(directory: string): string | undefined;
}
