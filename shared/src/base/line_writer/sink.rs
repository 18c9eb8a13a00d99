//! The output of the lines: a terminal, a pipe or a file. It may be slow, full, or gone.

use std::io::{ErrorKind, Write};
use std::thread;
use std::time::Duration;

/// How long the thread waits before it tries a non-blocking output again that took nothing.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// An output, and the state that the last write left it in.
pub(super) struct Sink<W = std::fs::File> {
    output: W,
    /// The output ends in the middle of a line.
    is_torn: bool,
    /// The output took all of the last batch.
    is_well: bool,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            output,
            is_torn: false,
            is_well: true,
        }
    }

    /// Whether the output took the last batch whole.
    pub(super) fn is_well(&self) -> bool {
        self.is_well
    }

    /// Writes a batch of whole lines, and returns how many lines were lost. A failed write loses
    /// the rest of the batch and is no error, because a process must not end because of its log.
    pub(super) fn write(&mut self, batch: &[u8]) -> u64 {
        // Ends a line that an earlier write left torn, so that the next line is not appended to it.
        let unwritten = if self.is_torn && self.write_bytes(b"\n") > 0 {
            batch.len()
        } else {
            self.write_bytes(batch)
        };
        self.is_well = unwritten == 0;
        let (written, lost) = batch.split_at(batch.len() - unwritten);
        if let Some(last) = written.last() {
            self.is_torn = *last != b'\n';
        }
        lost.split_inclusive(|byte| *byte == b'\n').count() as u64
    }

    /// Writes what the output takes, and returns how many bytes were not written.
    fn write_bytes(&mut self, mut bytes: &[u8]) -> usize {
        while !bytes.is_empty() {
            match self.output.write(bytes) {
                Ok(0) => break,
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
                Err(_) => break,
            }
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Result};

    use super::*;

    /// Takes three bytes at a time, while there is room.
    #[derive(Default)]
    struct Disk {
        room: usize,
        bytes: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let count = bytes.len().min(3).min(self.room);
            if count == 0 {
                return Err(Error::from(ErrorKind::StorageFull));
            }
            self.room -= count;
            self.bytes.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_broke_off_on_a_full_disk_stays_alone() {
        let mut sink = Sink::new(Disk {
            room: 10,
            bytes: Vec::new(),
        });
        assert_eq!(sink.write(b"one\ntwo\nthree\nfour\n"), 2);
        assert!(!sink.is_well());
        assert_eq!(sink.write(b"five\n"), 1);
        sink.output.room = 100;
        assert_eq!(sink.write(b"six\n"), 0);
        assert!(sink.is_well());
        assert_eq!(sink.output.bytes, b"one\ntwo\nth\nsix\n");
    }
}
