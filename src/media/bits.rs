//! A bounded reader of big-endian fields. Every error says at which byte of the file it arose.

use super::Error;

/// A cursor over bytes that lie at a known place of a file.
#[derive(Debug, Clone)]
pub struct ByteReader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Where `bytes[0]` lies in the file.
    offset: u64,
    /// What is being read, for errors.
    what: &'static str,
}

impl<'a> ByteReader<'a> {
    /// Reads `bytes`, which lie at byte `offset` of the file and are a `what`.
    pub fn new(bytes: &'a [u8], offset: u64, what: &'static str) -> Self {
        Self { bytes, position: 0, offset, what }
    }

    /// The byte of the file that is read next.
    pub fn at(&self) -> u64 {
        self.offset + self.position as u64
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// "Malformed", here.
    pub fn malformed(&self) -> Error {
        Error::malformed(self.what, self.at())
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer are left; so for all readers below.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        if len > self.remaining() {
            return Err(Error::truncated(self.what, self.offset + self.bytes.len() as u64));
        }
        let taken = &self.bytes[self.position..self.position + len];
        self.position += len;
        Ok(taken)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.position..];
        self.position = self.bytes.len();
        rest
    }

    /// Steps over `len` bytes.
    pub fn skip(&mut self, len: usize) -> Result<(), Error> {
        self.take(len).map(drop)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// An 8-bit field.
    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    /// A 16-bit field.
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// A 24-bit field.
    pub fn u24(&mut self) -> Result<u32, Error> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// A 32-bit field.
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// A signed 32-bit field.
    pub fn i32(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    /// A 64-bit field.
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// A signed 64-bit field.
    pub fn i64(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_be_bytes)
    }
}
