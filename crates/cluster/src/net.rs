//! Whether an address is free for us, and whether somebody answers at another. Both are asked before Ballista is: it ends
//! without an error when a port is taken, and waits for a scheduler for ever.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;

/// How often it is tried whether somebody answers.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// How long an address may take to answer or to refuse.
const ANSWER: Duration = Duration::from_secs(5);

/// That nobody listens at `address`, so that we can.
pub(crate) fn free(address: SocketAddr) -> Result<(), Failure> {
    TcpListener::bind(address).map(drop).map_err(|error| {
        Failure::Usage(format!(
            "cannot listen at {address}: {error}; give another --port or --bind, or end who is there"
        ))
    })
}

/// How long a client waits for a scheduler, which may just be starting again.
pub(crate) const CLIENT_WAITS: Duration = Duration::from_secs(10);

/// Waits until the scheduler at `address` (`HOST:PORT`) answers, for no longer than `patience`.
pub(crate) async fn scheduler_answers(address: &str, patience: Duration) -> Result<(), Failure> {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let begun = Instant::now();
    loop {
        let why = match timeout(ANSWER, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if begun.elapsed() >= patience {
            return Err(Failure::Usage(format!(
                "no scheduler answers at {address} ({why}): start one with `dateline-cluster scheduler`, or say by \
                 --scheduler where it is"
            )));
        }
        sleep(TRY_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_free_or_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(free(address).unwrap_err().to_string().contains(&address.to_string()));
        assert!(scheduler_answers(&address.to_string(), Duration::ZERO).await.is_ok());
        drop(listener);
        assert!(free(address).is_ok());
        let error = scheduler_answers(&address.to_string(), Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.contains("dateline-cluster scheduler"), "{error}");
    }
}
