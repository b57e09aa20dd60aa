//! A key on its only way through the program: made, shown once, hashed, gone.

use std::fmt;

use rand::TryRng;
use rand::rngs::SysRng;

use super::KeyError;

/// What every key starts with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "dl_";
/// The characters of base64url: 64, so that 6 bits of a random byte choose one of them without a bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 43 characters of 6 bits are 258 bits.
const CHARACTERS: usize = 43;

/// A key that was just made. Only its hash is kept anywhere, so this is the one chance to tell it to its holder.
pub struct NewKey(String);

impl NewKey {
    /// A key from the system's randomness.
    pub(super) fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; CHARACTERS];
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
        let characters = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
        Ok(Self(PREFIX.chars().chain(characters).collect()))
    }

    /// The key itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Says nothing of the key: what is debugged is logged.
impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_have_one_shape() {
        let (one, other) = (NewKey::random().unwrap(), NewKey::random().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        for key in [&one, &other] {
            let rest = key.reveal().strip_prefix("dl_").unwrap();
            assert_eq!(rest.len(), 43);
            assert!(rest.bytes().all(|byte| ALPHABET.contains(&byte)), "{rest}");
        }
    }

    #[test]
    fn debugging_shows_nothing() {
        let key = NewKey::random().unwrap();
        assert!(!format!("{key:?}").contains(&key.reveal()[3..10]));
    }
}
