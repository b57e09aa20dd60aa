//! An S3 server of a few lines on this machine, for tests of what happens when a store answers badly.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::Stores;

/// What a server says that has no such file.
pub(crate) const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// What a server says of a file that it has, or has now.
pub(crate) const FOUND: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: \"1\"\r\n\
                                last-modified: Sat, 17 Feb 2024 06:00:00 GMT\r\nconnection: close\r\n\r\n";
/// What is no answer at all: the connection breaks, as far as the client can see.
pub(crate) const NONSENSE: &str = "nonsense\r\n\r\n";

/// Stores whose S3 gives `answer` to a method when it is asked for the n-th time, counted from 1.
pub(crate) fn s3(answer: impl Fn(&str, usize) -> String + Send + 'static) -> Stores {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut asked = HashMap::new();
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let (mut method, mut length, mut line) = (String::new(), 0, String::new());
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                if method.is_empty() {
                    method = line.split(' ').next().unwrap().to_owned();
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            io::copy(&mut stream.by_ref().take(length), &mut io::sink()).unwrap();
            let times: &mut usize = asked.entry(method.clone()).or_default();
            *times += 1;
            let _ = stream.get_mut().write_all(answer(&method, *times).as_bytes());
        }
    });
    let variables =
        [("ENDPOINT_URL", endpoint.as_str()), ("REGION", "x"), ("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x")];
    Stores::new(variables.map(|(name, value)| (format!("AWS_{name}"), value.to_owned())))
}
