// A real `dateline serve` on a free port; the program is that of DATELINE.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";

/** A service that runs. */
export interface Service {
  url: string;
  /** Ends it at once, as a crash would. */
  kill: () => Promise<void>;
}

/** The program under test. */
export function program(): string {
  const path = process.env["DATELINE"] ?? "../../target/release/dateline";
  if (!existsSync(path)) {
    throw new Error(`there is no ${path}: build it with cargo build --release, or name it with DATELINE`);
  }
  return path;
}

/** Starts a service and waits until it is ready. */
export async function serve(args: string[] = [], listen = "127.0.0.1:0"): Promise<Service> {
  const child = spawn(program(), ["serve", "--listen", listen, "--color", "never", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said: string[] = [];
  let url: string | undefined;
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    url ??= /listening on (http:\/\/\S+)/.exec(line)?.[1];
    if (url !== undefined && line.includes("ready, with the model")) {
      // Nobody reads the rest of the log, and it must not fill its pipe.
      child.stderr.resume();
      return { url, kill: () => killed(child) };
    }
  }
  throw new Error(`the service did not get ready:\n${said.join("\n")}`);
}

/** Makes a key in a file of keys. */
export function addKey(file: string): string {
  return execFileSync(program(), ["keys", "add", "tests", "--file", file], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exit;
  }
}
