//! `camreel passwd`: a password in, an entry for the configuration out that does not have it.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, anyhow, ensure};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::config::{check_realm, check_user_name};
use crate::rtsp::auth::{Algorithm, Ha1};

/// Reads the password from standard input, twice and unseen if that is a terminal, and prints the entry.
///
/// # Errors
/// When there is no password, or name or realm are none.
pub fn run(user: &str, realm: &str) -> anyhow::Result<()> {
    let is_good = check_user_name(user).and_then(|()| check_realm(realm));
    is_good.map_err(|reason| anyhow!(reason))?;
    let password = if io::stdin().is_terminal() {
        let _quiet = Quiet::start()?;
        let password = ask("Password: ")?;
        ensure!(ask("Once more: ")? == password, "the two passwords differ");
        password
    } else {
        read_line()?
    };
    ensure!(!password.is_empty(), "no password");
    print!("{}", entry(user, realm, &password));
    Ok(())
}

/// The entry for the configuration.
fn entry(user: &str, realm: &str, password: &str) -> String {
    let hash = |algorithm| Ha1::new(algorithm, user, realm, password.as_bytes());
    let (md5, sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
    format!(
        "[[users]]\nname = {}\nha1_md5 = \"{}\"\nha1_sha256 = \"{}\"\n",
        toml_string(user),
        md5.as_hex(),
        sha256.as_hex()
    )
}

/// A name has no quote, backslash or control character, so there is nothing to escape.
fn toml_string(text: &str) -> String {
    format!("\"{text}\"")
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    eprint!("{prompt}");
    io::stderr().flush()?;
    let line = read_line();
    eprintln!();
    line
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until dropped.
struct Quiet(Termios);

impl Quiet {
    fn start() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("cannot read the terminal's settings")?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &quiet).context("cannot hide what is typed")?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_entry_is_a_user_with_that_password_for_that_realm() {
        let config = Config::parse(&entry("Jäger", "yard", "geheim")).unwrap();
        let user = &config.users[0];
        assert_eq!(user.name, "Jäger");
        assert!(user.has_password("yard", b"geheim"));
        assert!(!user.has_password("yard", b"Geheim"));
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            assert_eq!(user.ha1(algorithm, "yard"), Some(Ha1::new(algorithm, "Jäger", "yard", b"geheim")));
        }
    }
}
