//! The passwords of one store's users: random, kept beside its data, readable by their owner only.

use std::fs;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Letters and digits, which need no quoting in a URL or in an ACL file.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LENGTH: usize = 32;
/// The name of the file with the passwords, in the folder of the store.
pub(crate) const FILE: &str = "passwords";

/// A user of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The inventory service.
    Inventory,
    /// The payments service.
    Payments,
    /// People and tests. This user may do everything.
    Operator,
}

/// The passwords of all users of one store.
#[derive(Clone, Debug)]
pub struct Credentials(Vec<(User, String)>);

impl User {
    /// All users.
    pub const ALL: [Self; 3] = [Self::Inventory, Self::Payments, Self::Operator];

    /// The name of the user in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Payments => "payments",
            Self::Operator => "operator",
        }
    }
}

impl Credentials {
    /// Reads the passwords kept in `dir`, or makes and keeps new ones.
    pub fn load_or_create(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text)
                .with_context(|| format!("{} is damaged; remove it", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = Self(
                    User::ALL
                        .into_iter()
                        .map(|user| Ok((user, random_password()?)))
                        .collect::<Result<_>>()?,
                );
                let lines = made
                    .0
                    .iter()
                    .map(|(user, password)| format!("{} {password}", user.name()));
                let lines = lines.collect::<Vec<_>>().join(
                    "
",
                );
                write_private(&path, &lines)?;
                Ok(made)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The password of `user`.
    pub fn password(&self, user: User) -> &str {
        self.0
            .iter()
            .find(|(name, _)| *name == user)
            .map_or("", |(_, password)| password)
    }

    /// The ACL file the server reads: the template without comments, with passwords in place of the
    /// placeholders.
    pub fn render(&self, template: &str) -> String {
        let mut text: String = template
            .split_inclusive('\n')
            .filter(|line| line.starts_with("user "))
            .collect();
        for (user, password) in &self.0 {
            text = text.replace(
                &format!("@{}_PASSWORD@", user.name().to_uppercase()),
                password,
            );
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let find = |user: User| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(user.name())?.strip_prefix(' '))?;
            (line.len() == LENGTH && line.bytes().all(|byte| ALPHABET.contains(&byte)))
                .then(|| (user, line.to_owned()))
        };
        User::ALL
            .into_iter()
            .map(find)
            .collect::<Option<_>>()
            .map(Self)
    }
}

/// Writes a file that only its owner can read. The file appears whole or not at all. A file that
/// already has this text is not written again, so that a store also starts on a full disk.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)?;
    fs::rename(&temporary, path).with_context(context)
}

/// A random password.
pub fn random_password() -> Result<String> {
    // Bytes past the last whole multiple of the alphabet are dropped, so that every letter is
    // equally likely.
    let limit = 256 / ALPHABET.len() * ALPHABET.len();
    let mut source = fs::File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    let mut password = String::new();
    while password.len() < LENGTH {
        let mut bytes = [0; LENGTH];
        source
            .read_exact(&mut bytes)
            .context("cannot read /dev/urandom")?;
        let letters = bytes
            .into_iter()
            .map(usize::from)
            .filter(|byte| *byte < limit);
        password.extend(letters.map(|byte| char::from(ALPHABET[byte % ALPHABET.len()])));
    }
    password.truncate(LENGTH);
    Ok(password)
}
