//! Entries of streams in memory. An entry that is too large is cut.

use bytes::Bytes;

use crate::base::digest::digest_of;
use crate::contract::event::RawFields;

/// The largest entry that is kept whole, in bytes as `Entry::weight` counts them. An event of the
/// services has less than 8 KiB.
pub const MAX_ENTRY_BYTES: usize = 64 * 1024;
/// Most bytes that a dead letter adds to its entry.
const MARGIN: usize = 8 * 1024;
/// Bytes that are kept of a larger entry: enough for a person to recognise it.
pub const KEPT_BYTES: usize = 4 * 1024;
/// Bytes of memory that a field takes beside its name and value.
const FIELD_BYTES: usize = 64;

/// One entry of a stream. `fields` is `None` for an entry that was trimmed while it was pending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its id, `<milliseconds>-<sequence>`.
    pub id: String,
    /// Its fields, byte for byte. A cut entry has only the first of them.
    pub fields: Option<RawFields>,
    /// What the entry was before it was cut; `None` for a whole entry.
    pub cut: Option<Cut>,
}

/// What a cut entry had before the cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of all names and values.
    pub bytes: usize,
    /// The digest of all fields.
    pub digest: String,
}

impl Entry {
    /// Bytes of all names and values of the entry in its stream, even if it was cut here.
    pub fn bytes(&self) -> usize {
        self.cut
            .as_ref()
            .map_or_else(|| bytes(self.raw()), |cut| cut.bytes)
    }

    /// The digest of all fields of the entry in its stream, even if it was cut here.
    pub fn digest(&self) -> String {
        self.cut
            .as_ref()
            .map_or_else(|| digest(self.raw()), |cut| cut.digest.clone())
    }

    /// About how many bytes of memory the entry takes.
    pub(crate) fn weight(&self) -> usize {
        weight(self.raw())
    }

    /// Whether the entry is larger than any whole entry, and than the dead letter of any whole
    /// entry.
    pub(crate) fn is_large(&self) -> bool {
        self.cut.is_some() || self.weight() > MAX_ENTRY_BYTES + MARGIN
    }

    fn raw(&self) -> &[(Bytes, Bytes)] {
        self.fields.as_deref().unwrap_or_default()
    }

    /// Keeps only the beginning of an entry that is too large to be acted on.
    pub(crate) fn cut(&mut self) {
        self.cut_beyond(MAX_ENTRY_BYTES);
    }

    fn cut_beyond(&mut self, limit: usize) {
        let Some(fields) = &mut self.fields else {
            return;
        };
        if self.cut.is_some() || weight(fields) <= limit {
            return;
        }
        self.cut = Some(Cut {
            bytes: bytes(fields),
            digest: digest(fields),
        });
        let mut room = KEPT_BYTES;
        fields.retain_mut(|(name, value)| {
            let fits = room > FIELD_BYTES;
            room = room.saturating_sub(FIELD_BYTES);
            for part in [name, value] {
                part.truncate(room);
                room -= part.len();
            }
            fits
        });
        fields.shrink_to_fit();
    }
}

/// Cuts entries that are too large, and copies the fields of all entries into new memory. `fred`
/// reads a connection into one buffer, and can reuse that buffer only while no `Bytes` refers to
/// it. Otherwise it starts with a small buffer, and parses a long answer again each time the buffer
/// grows.
pub(super) fn detached(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        entry.cut_beyond(MAX_ENTRY_BYTES + MARGIN);
    }
    detached_whole(entries)
}

/// Like [`detached`], but cuts no entry.
pub(super) fn detached_whole(mut entries: Vec<Entry>) -> Vec<Entry> {
    let raw = || entries.iter().flat_map(Entry::raw);
    let length = raw().map(|(name, value)| name.len() + value.len()).sum();
    let mut copy = Vec::with_capacity(length);
    for (name, value) in raw() {
        copy.extend_from_slice(name);
        copy.extend_from_slice(value);
    }
    let mut copy = Bytes::from(copy);
    for (name, value) in entries
        .iter_mut()
        .flat_map(|entry| entry.fields.iter_mut().flatten())
    {
        *name = copy.split_to(name.len());
        *value = copy.split_to(value.len());
    }
    entries
}

fn bytes(fields: &[(Bytes, Bytes)]) -> usize {
    fields
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}

fn weight(fields: &[(Bytes, Bytes)]) -> usize {
    bytes(fields) + FIELD_BYTES * fields.len()
}

/// The lengths are part of it, so that no other fields have the same bytes in a row.
fn digest(fields: &[(Bytes, Bytes)]) -> String {
    let lengths: Vec<[u8; 16]> = fields
        .iter()
        .map(|(name, value)| (((name.len() as u128) << 64) | value.len() as u128).to_be_bytes())
        .collect();
    let parts = fields.iter().zip(&lengths);
    digest_of(parts.flat_map(|((name, value), lengths)| [&lengths[..], &name[..], &value[..]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_of_fields_have_the_same_digest_for_their_bytes_in_a_row() {
        let field = |name: &'static [u8], value: &'static [u8]| {
            [(Bytes::from_static(name), Bytes::from_static(value))]
        };
        assert_ne!(digest(&field(b"a\0", b"b")), digest(&field(b"a", b"\0b")));
        assert_ne!(digest(&field(b"ab", b"")), digest(&field(b"a", b"b")));
        assert_eq!(digest(&field(b"a", b"b")), digest(&field(b"a", b"b")));
    }

    fn entry(fields: &[(usize, usize)]) -> Entry {
        let bytes = |count| Bytes::from(vec![b'x'; count]);
        let fields = fields
            .iter()
            .map(|&(name, value)| (bytes(name), bytes(value)));
        Entry {
            id: "1-0".to_owned(),
            fields: Some(fields.collect()),
            cut: None,
        }
    }

    #[test]
    fn an_entry_beyond_the_limit_keeps_its_beginning_its_length_and_its_digest() {
        for fields in [
            vec![(7, 2_000_000)],
            vec![(2_000_000, 7)],
            vec![(1, 1); 20_000],
        ] {
            let whole = entry(&fields);
            let cut = detached(vec![whole.clone()]).remove(0);
            assert_eq!((cut.bytes(), cut.digest()), (whole.bytes(), whole.digest()));
            let kept = cut.fields.as_deref().unwrap();
            assert!((1..=KEPT_BYTES).contains(&weight(kept)), "{}", weight(kept));
        }
    }

    #[test]
    fn an_entry_up_to_the_limit_stays_whole() {
        let whole = entry(&[(5, MAX_ENTRY_BYTES - FIELD_BYTES - 5)]);
        let mut read = detached(vec![whole.clone()]).remove(0);
        read.cut();
        assert_eq!(read, whole);
        let mut large = entry(&[(5, MAX_ENTRY_BYTES - FIELD_BYTES - 4)]);
        large.cut();
        assert!(large.cut.is_some());
    }
}
