//! Keys in HTTP's Basic authentication, for clients that can send nothing else: the password is the key, and the name
//! that goes with it is the client's own affair.

use axum::http::HeaderMap;
use axum::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The password that a request comes with.
pub(crate) fn password(headers: &HeaderMap) -> Option<String> {
    let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    credentials.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_what_follows_the_first_colon() {
        let of = |credentials: &str| {
            let value = credentials.parse().unwrap();
            password(&[(header::AUTHORIZATION, value)].into_iter().collect())
        };
        let basic = |plain: &str| of(&format!("Basic {}", STANDARD.encode(plain)));
        assert_eq!(basic("desk:dl_x").as_deref(), Some("dl_x"));
        assert_eq!(basic(":dl_x").as_deref(), Some("dl_x"));
        assert_eq!(basic("desk:a:b").as_deref(), Some("a:b"));
        assert_eq!(basic("désk:🚀").as_deref(), Some("🚀"));
        assert_eq!(basic("dl_x"), None);
        assert_eq!(of(&format!("bASIC  {} ", STANDARD.encode("desk:dl_x"))).as_deref(), Some("dl_x"));
        assert_eq!(of("Basic !"), None);
        assert_eq!(of(&format!("Bearer {}", STANDARD.encode("desk:dl_x"))), None);
        assert_eq!(password(&HeaderMap::new()), None);
    }
}
