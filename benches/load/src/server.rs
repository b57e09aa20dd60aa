//! The service under test: started here and ended with SIGTERM, or one that runs already.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::ServerArgs;
use crate::client::Target;
use crate::failure::Failure;

/// How long the model may take to load.
const START: Duration = Duration::from_secs(120);
/// How long the service may take to end: its grace for requests in flight, and some.
const END: Duration = Duration::from_secs(45);
/// How many of its last words are kept for an error message.
const LAST_WORDS: usize = 30;

/// A running service. Dropping it ends one that was started here by force.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it is.
    pub(crate) target: Target,
    /// Its process, if it is known.
    pub(crate) pid: Option<u32>,
    child: Option<Child>,
}

impl Server {
    /// The service that `args` name, ready to answer.
    pub(crate) fn start(args: &ServerArgs) -> Result<Self, Failure> {
        if let Some(url) = &args.url {
            let target = Target::new(resolve(url)?, &args.header);
            return Ok(Self { target, pid: args.pid, child: None });
        }
        let mut command = Command::new(&args.program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--model"]).arg(&args.model).args(&args.serve);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| Failure::Start { program: args.program.clone(), source })?;
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                // Read on when nobody listens any more: a full pipe would stop the service.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let pid = Some(child.id());
        let mut ears = Ears { said, heard: VecDeque::new(), until: Instant::now() + START };
        // From here on a failure ends the child too.
        let mut server = Self { target: Target::new(([127, 0, 0, 1], 0).into(), &[]), pid, child: Some(child) };
        let address = ears.wait_for(address_in)?;
        ears.wait_for(|line| (line.contains("ready") && address_in(line).is_none()).then_some(()))?;
        server.target = Target::new(address, &args.header);
        Ok(server)
    }

    /// Asks a service that was started here to end, and says how it did; nothing of one that was not.
    pub(crate) fn end(mut self) -> Result<Option<Ended>, Failure> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let asked = Instant::now();
        let what = || Failure::io("cannot end the service");
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().map_err(what())?;
        while asked.elapsed() < END {
            if let Some(status) = child.try_wait().map_err(what())? {
                return Ok(Some(Ended { code: status.code(), after: asked.elapsed() }));
            }
            thread::sleep(Duration::from_millis(20));
        }
        child.kill().and_then(|()| child.wait()).map_err(what())?;
        Ok(Some(Ended { code: None, after: asked.elapsed() }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a service ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// How long it took.
    pub(crate) after: Duration,
}

/// Listens to what the service says while it starts.
struct Ears {
    said: Receiver<String>,
    heard: VecDeque<String>,
    until: Instant,
}

impl Ears {
    /// What `find` finds in the first line that has it.
    fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        while let Ok(line) = self.said.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            if let Some(found) = find(&line) {
                return Ok(found);
            }
            self.heard.push_back(line);
            if self.heard.len() > LAST_WORDS {
                self.heard.pop_front();
            }
        }
        Err(Failure::NotReady(self.heard.make_contiguous().join("\n")))
    }
}

/// The address in a line that says where the service listens, whatever stands around it.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    let end = rest.find(|character: char| !character.is_ascii_hexdigit() && !"[]:.".contains(character));
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

fn resolve(url: &str) -> Result<SocketAddr, Failure> {
    let address = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let address = address.and_then(|address| address.to_socket_addrs().ok()?.next());
    address.ok_or_else(|| Failure::Usage(format!("--url must be http://ADDRESS:PORT, not {url:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_any_form_of_log() {
        let expected: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        for line in [
            "listening on http://127.0.0.1:4711",
            "\u{1b}[32mINFO\u{1b}[0m listening on http://127.0.0.1:4711\u{1b}[0m version=1",
            r#"{"level":"INFO","message":"listening on http://127.0.0.1:4711","tls":false}"#,
        ] {
            assert_eq!(address_in(line), Some(expected), "{line}");
        }
        assert_eq!(address_in("listening on http://[::1]:80, ready"), Some("[::1]:80".parse().unwrap()));
        assert_eq!(address_in("ready, with the model tiny"), None);
    }
}
