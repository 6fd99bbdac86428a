//! Pages (RFC 3533 section 6), and finding them again where bytes are damaged.

use crate::media::Error;
use crate::media::io::{Source, Window};

/// What every page begins with.
pub const CAPTURE_PATTERN: &[u8; 4] = b"OggS";
/// A page header without its segment table, in bytes.
const HEADER_LEN: usize = 27;
/// How much is read ahead, in bytes. Longer pages are read as a whole.
const WINDOW_LEN: usize = 32 << 10;

/// One page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it lies in the file.
    pub at: u64,
    /// It begins with the rest of a packet.
    pub is_continued: bool,
    /// It is the first of its logical bitstream.
    pub is_first: bool,
    /// It is the last of its logical bitstream.
    pub is_last: bool,
    /// The position of the last packet that ends on it; `None` when none does.
    pub granule: Option<u64>,
    /// Which logical bitstream it belongs to.
    pub serial: u32,
    /// Counts the pages of the logical bitstream.
    pub sequence: u32,
    /// How long each segment is; what is shorter than 255 bytes ends a packet.
    pub lacing: Vec<u8>,
    /// The segments.
    pub body: Vec<u8>,
}

impl Page {
    /// Where the next page should begin.
    pub fn end(&self) -> u64 {
        self.at + (HEADER_LEN + self.lacing.len() + self.body.len()) as u64
    }

    /// Where in the body each packet lies, or the part of it that is on this page, and whether it ends here.
    pub fn packets(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut position = 0;
        self.lacing.chunk_by(|before, _| *before == 255).map(move |segments| {
            let len: usize = segments.iter().map(|len| usize::from(*len)).sum();
            let part = &self.body[position..position + len];
            position += len;
            (part, segments.last() != Some(&255))
        })
    }
}

/// What [`PageReader::next`] found.
#[derive(Debug)]
pub enum Found {
    /// A page, in [`PageReader::page`].
    Page,
    /// Bytes that are no page were stepped over.
    Skipped(Error),
    /// No whole page follows now.
    Nothing,
}

/// Reads pages forward.
#[derive(Debug)]
pub struct PageReader {
    window: Window,
    position: u64,
    /// Where bytes began that are no page.
    damaged_from: Option<u64>,
    /// Whether reading began at a page, or has come to one.
    is_aligned: bool,
    is_finished: bool,
    /// What the file ends with may be the start of a page.
    is_cut_off: bool,
    page: Page,
}

impl PageReader {
    /// From byte `at` on, which need not be the start of a page: then what comes before the next is no damage.
    pub fn new(source: Source, at: u64) -> Self {
        let page = Page {
            at,
            is_continued: false,
            is_first: false,
            is_last: false,
            granule: None,
            serial: 0,
            sequence: 0,
            lacing: Vec::new(),
            body: Vec::new(),
        };
        let window = Window::new(source, WINDOW_LEN);
        Self {
            window,
            position: at,
            damaged_from: None,
            is_aligned: false,
            is_finished: false,
            is_cut_off: false,
            page,
        }
    }

    /// The page that was found last.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Up to where the file has been read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// No bytes will follow those that are there: half a page at the end is damage.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Looks for the next page.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn next(&mut self) -> Result<Found, Error> {
        loop {
            let bytes = self.window.available(self.position, CAPTURE_PATTERN.len(), "an Ogg page")?;
            let there = bytes.len();
            match memchr::memmem::find(bytes, CAPTURE_PATTERN) {
                Some(distance) => self.step_over(distance),
                // The last three bytes may be the start of a pattern.
                None if there >= CAPTURE_PATTERN.len() => {
                    self.step_over(there - (CAPTURE_PATTERN.len() - 1));
                    continue;
                }
                None => return Ok(self.nothing(there)),
            }
            match self.read_page()? {
                Candidate::Page => {
                    if let Some(from) = self.damaged_from.take().filter(|_| self.is_aligned) {
                        return Ok(Found::Skipped(Error::malformed("Ogg page", from)));
                    }
                    (self.is_aligned, self.damaged_from) = (true, None);
                    self.position = self.page.end();
                    return Ok(Found::Page);
                }
                Candidate::CutOff if !self.is_finished => return Ok(Found::Nothing),
                Candidate::CutOff => {
                    self.is_cut_off |= self.damaged_from.is_none();
                    self.step_over(1);
                }
                Candidate::No => self.step_over(1),
            }
        }
    }

    fn step_over(&mut self, count: usize) {
        if count > 0 {
            self.damaged_from.get_or_insert(self.position);
            self.position += count as u64;
        }
    }

    /// The file ends, with so many bytes that cannot be a pattern any more when it is finished.
    fn nothing(&mut self, left: usize) -> Found {
        if !self.is_finished {
            return Found::Nothing;
        }
        self.step_over(left);
        match self.damaged_from.take().filter(|_| self.is_aligned) {
            Some(_) if self.is_cut_off => Found::Skipped(Error::truncated("the last Ogg page", self.position)),
            Some(from) => Found::Skipped(Error::malformed("Ogg page", from)),
            None => Found::Nothing,
        }
    }

    /// Reads what begins with the capture pattern here, if it is a page.
    fn read_page(&mut self) -> Result<Candidate, Error> {
        let at = self.position;
        let header = self.window.available(at, HEADER_LEN, "an Ogg page")?;
        let Some(header) = header.first_chunk::<HEADER_LEN>() else { return Ok(Candidate::CutOff) };
        let (version, flags, segments) = (header[4], header[5], usize::from(header[26]));
        let granule = u64::from_le_bytes(header[6..14].try_into().unwrap_or_default());
        let word =
            |from: usize| u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]]);
        let (serial, sequence, crc) = (word(14), word(18), word(22));
        if version != 0 {
            return Ok(Candidate::No);
        }
        let bytes = self.window.available(at, HEADER_LEN + segments, "an Ogg page")?;
        let Some(lacing) = bytes.get(HEADER_LEN..HEADER_LEN + segments) else { return Ok(Candidate::CutOff) };
        let body_len: usize = lacing.iter().map(|len| usize::from(*len)).sum();
        let len = HEADER_LEN + segments + body_len;
        let Some(bytes) = self.window.available(at, len, "an Ogg page")?.get(..len) else {
            return Ok(Candidate::CutOff);
        };
        if checksum(bytes) != crc {
            return Ok(Candidate::No);
        }
        let (lacing, body) = bytes[HEADER_LEN..].split_at(segments);
        let page = &mut self.page;
        (page.at, page.serial, page.sequence) = (at, serial, sequence);
        (page.is_continued, page.is_first, page.is_last) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        page.granule = (granule != u64::MAX).then_some(granule);
        page.lacing.clear();
        page.lacing.extend_from_slice(lacing);
        page.body.clear();
        page.body.extend_from_slice(body);
        Ok(Candidate::Page)
    }
}

/// What a capture pattern turns out to begin.
enum Candidate {
    Page,
    /// What may be a page when the file has grown.
    CutOff,
    No,
}

/// The checksum of a page, as if its own field were 0: x^32 and so on as in IEEE 802.3, but from 0, most significant
/// bit first, not inverted.
pub fn checksum(page: &[u8]) -> u32 {
    let (before, after) = (&page[..22], &page[26..]);
    advance(advance(advance(0, before), &[0; 4]), after)
}

/// Takes in eight bytes at a time, each by a table of what it does to the sum when so many others follow it.
fn advance(crc: u32, bytes: &[u8]) -> u32 {
    let (groups, rest) = bytes.as_chunks::<8>();
    let crc = groups.iter().fold(crc, |crc, &[a, b, c, d, e, f, g, h]| {
        let [p, q, r, s] = crc.to_be_bytes();
        let turned = [a ^ p, b ^ q, c ^ r, d ^ s, e, f, g, h];
        turned.iter().zip(CRC.iter().rev()).fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)])
    });
    rest.iter().fold(crc, |crc, byte| crc << 8 ^ CRC[0][usize::from((crc >> 24) as u8 ^ byte)])
}

/// What a byte does to the sum: at once, and when 1 to 7 bytes follow.
static CRC: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let (mut crc, mut bit) = ((index as u32) << 24, 0);
        while bit < 64 {
            crc = if crc >> 31 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 };
            bit += 1;
            if bit % 8 == 0 {
                tables[bit / 8 - 1][index] = crc;
            }
        }
        index += 1;
    }
    tables
};
