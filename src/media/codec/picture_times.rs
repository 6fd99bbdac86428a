//! When the pictures of MPEG-1, MPEG-2 and MPEG-4 part 2 are decoded and shown.
//!
//! In these codecs a B picture stands behind the two pictures that it refers to, of which it is displayed before the
//! second; other pictures are displayed in decode order (ISO/IEC 13818-2 section 6.1.1.11). So a picture that others
//! refer to is displayed behind all B pictures that follow it, and its time is known when the next such comes. A
//! group here is a reference picture and the B pictures behind it, in decode order.

use std::collections::VecDeque;

use super::super::Sample;
use super::super::scan::Stamp;
use crate::time::MediaTime;

/// The most pictures of a group. Real ones have 4 or so; beyond this, the group is taken to end.
const GROUP_MAX: usize = 32;
/// The longest time between two pictures, by the codec's own clock, that is believed, in seconds. A camera may make a
/// picture in some seconds only.
const CLOCK_GAP_MAX: i64 = 60;

/// One coded picture, without its times.
#[derive(Debug, Default)]
pub struct CodedPicture {
    /// Its bytes.
    pub data: Vec<u8>,
    /// From where in the file it can be read again.
    pub origin: u64,
    /// Decoding can start here.
    pub is_sync: bool,
    /// It is displayed before the last picture that is not.
    pub is_bidirectional: bool,
    /// What the container tells of its time.
    pub stamp: Option<Stamp>,
    /// For how many ticks it is displayed, if the next one's clock does not tell.
    pub ticks: i64,
    /// Its time in ticks by the codec's own clock, where there is one.
    pub clock: Option<i64>,
}

/// Gives pictures their times.
#[derive(Debug)]
pub struct PictureTimes {
    /// Ticks a second.
    rate: u32,
    /// Whether there may be B pictures.
    reorders: bool,
    group: Vec<CodedPicture>,
    ready: VecDeque<(CodedPicture, Stamp)>,
    /// When the next picture is presented, if nothing else tells.
    start: Option<MediaTime>,
    /// The last one in order of display.
    shown: Option<Shown>,
    /// How long before its group is displayed a reference picture is decoded, as the last stamp had it.
    lead: Option<MediaTime>,
    last_dts: MediaTime,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    place: Place,
    ticks: i64,
    clock: Option<i64>,
}

/// A time as whole ticks and a rest, so that counting on does not drift.
#[derive(Debug, Clone, Copy)]
struct Place {
    ticks: i64,
    rest: MediaTime,
}

impl Place {
    fn of(time: MediaTime, rate: u32) -> Self {
        let ticks = time.to_ticks(rate);
        Self { ticks, rest: time - MediaTime::from_ticks(ticks, rate) }
    }

    fn time(self, rate: u32) -> MediaTime {
        MediaTime::from_ticks(self.ticks, rate) + self.rest
    }

    fn plus(self, ticks: i64) -> Self {
        Self { ticks: self.ticks.saturating_add(ticks), ..self }
    }
}

impl PictureTimes {
    /// Counts in ticks of `rate` a second until [`Self::configure`] says otherwise.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            reorders: true,
            group: Vec::new(),
            ready: VecDeque::new(),
            start: None,
            shown: None,
            lead: None,
            last_dts: MediaTime::MIN,
        }
    }

    /// From the next picture on, ticks are of `rate` a second, and there are no B pictures unless it `reorders`.
    pub fn configure(&mut self, rate: u32, reorders: bool) {
        if rate == self.rate && reorders == self.reorders {
            return;
        }
        self.flush();
        let old_rate = std::mem::replace(&mut self.rate, rate);
        if let Some(shown) = &mut self.shown {
            let end = shown.place.plus(shown.ticks).time(old_rate);
            *shown = Shown { place: Place::of(end, rate), ticks: 0, clock: None };
        }
        self.reorders = reorders;
    }

    /// The next picture is presented at `time`, unless it has a stamp.
    pub fn start(&mut self, time: MediaTime) {
        self.flush();
        self.shown = None;
        self.lead = None;
        self.last_dts = MediaTime::MIN;
        self.start = Some(time);
    }

    /// Takes the next picture in decode order.
    pub fn push(&mut self, picture: CodedPicture) {
        let is_bidirectional = picture.is_bidirectional;
        if !is_bidirectional || self.group.len() >= GROUP_MAX {
            self.flush();
        }
        // Some encoders say that they make no B pictures, and do.
        self.reorders |= is_bidirectional;
        self.group.push(picture);
        if !is_bidirectional && !self.reorders {
            self.flush();
        }
    }

    /// Moves the next picture whose times are known into `sample`, and returns where it began.
    pub fn pop(&mut self, sample: &mut Sample) -> Option<u64> {
        let (picture, times) = self.ready.pop_front()?;
        sample.pts = times.pts;
        sample.dts = times.dts.unwrap_or(times.pts);
        sample.is_sync = picture.is_sync;
        sample.data = picture.data;
        Some(picture.origin)
    }

    /// No further picture belongs to those that were pushed.
    pub fn flush(&mut self) {
        let group = std::mem::take(&mut self.group);
        let Some(first) = group.first() else { return };
        // The places in `group` in order of display.
        let references = usize::from(!first.is_bidirectional);
        let order: Vec<usize> = (references..group.len()).chain(0..references).collect();
        let places = self.places(&group, &order);
        let displayed_first = places[order[0]].time(self.rate);
        let apart = order.get(1).map(|second| places[*second].time(self.rate) - displayed_first);
        for (index, picture) in group.into_iter().enumerate() {
            let pts = places[index].time(self.rate);
            let dts = self.decode_time(&picture, pts, displayed_first, apart);
            self.ready.push_back((picture, Stamp { pts, dts: Some(dts) }));
        }
    }

    /// The times of presentation of a group, in decode order.
    fn places(&mut self, group: &[CodedPicture], order: &[usize]) -> Vec<Place> {
        let rate = self.rate;
        let mut places: Vec<Option<Place>> =
            group.iter().map(|picture| picture.stamp.map(|stamp| Place::of(stamp.pts, rate))).collect();
        if let Some(time) = self.start.take() {
            places[0].get_or_insert(Place::of(time, rate));
        }
        if self.shown.is_none() && places.iter().all(Option::is_none) {
            places[0] = Some(Place::of(MediaTime::ZERO, rate));
        }
        // Backward from the first that is known, where nothing was displayed before.
        if self.shown.is_none()
            && let Some(known) = order.iter().position(|index| places[*index].is_some())
        {
            for pair in order[..=known].windows(2).rev() {
                let gap = self.gap(group[pair[0]].ticks, group[pair[0]].clock, &group[pair[1]]);
                places[pair[0]] = places[pair[1]].map(|place| place.plus(-gap));
            }
        }
        let mut shown = self.shown;
        for index in order {
            let picture = &group[*index];
            let place = match (places[*index], shown) {
                (Some(place), _) => place,
                (None, Some(last)) => last.place.plus(self.gap(last.ticks, last.clock, picture)),
                (None, None) => Place::of(MediaTime::ZERO, rate),
            };
            places[*index] = Some(place);
            shown = Some(Shown { place, ticks: picture.ticks, clock: picture.clock });
        }
        self.shown = shown;
        places.into_iter().flatten().collect()
    }

    /// Ticks from a picture that lasts `ticks` and has the time `clock` to the one displayed next.
    fn gap(&self, ticks: i64, clock: Option<i64>, next: &CodedPicture) -> i64 {
        let by_clock = clock.zip(next.clock).map(|(clock, next)| next.saturating_sub(clock));
        by_clock.filter(|gap| (1..=CLOCK_GAP_MAX * i64::from(self.rate)).contains(gap)).unwrap_or(ticks)
    }

    /// A B picture is displayed as soon as it is decoded. A picture that others refer to is decoded while the one
    /// before is displayed, which is before the first of its group. How long before is not known where the group is all
    /// that is: as long as the first two of the group are `apart`, or for how long the picture itself is displayed.
    fn decode_time(
        &mut self,
        picture: &CodedPicture,
        pts: MediaTime,
        displayed_first: MediaTime,
        apart: Option<MediaTime>,
    ) -> MediaTime {
        let lead = || {
            let ticks = MediaTime::from_ticks(picture.ticks, self.rate);
            apart.filter(|apart| *apart > MediaTime::ZERO).map_or(ticks, |apart| apart.min(ticks))
        };
        let dts = match picture.stamp {
            Some(stamp) => stamp.dts.unwrap_or(pts),
            None if picture.is_bidirectional => pts,
            None if !self.reorders => pts,
            None => displayed_first - self.lead.unwrap_or_else(lead),
        };
        let dts = dts.min(pts);
        if picture.stamp.is_some() && !picture.is_bidirectional {
            self.lead = Some((displayed_first - dts).max(MediaTime::ZERO));
        }
        // A decoder cannot go back in time, but pictures of another stretch may.
        let dts = if self.last_dts <= pts { dts.max(self.last_dts) } else { dts };
        self.last_dts = dts;
        dts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures written as `I`, `P` and `B`, each lasting a tick of 10 ms; digits behind are their stamp in ticks.
    fn times(times: &mut PictureTimes, pictures: &str) -> String {
        let mut given = Vec::new();
        for word in pictures.split(' ') {
            let (kind, stamp) = word.split_at(1);
            let at = |text: &str| MediaTime::from_millis(text.parse::<i64>().unwrap() * 10);
            let stamp = (!stamp.is_empty()).then(|| match stamp.split_once('/') {
                Some((pts, dts)) => Stamp { pts: at(pts), dts: Some(at(dts)) },
                None => Stamp { pts: at(stamp), dts: None },
            });
            let is_bidirectional = kind == "B";
            times.push(CodedPicture { is_bidirectional, stamp, ticks: 1, ..CodedPicture::default() });
        }
        times.flush();
        let mut sample = Sample::default();
        while times.pop(&mut sample).is_some() {
            given.push(format!("{}/{}", sample.pts.to_ticks(100), sample.dts.to_ticks(100)));
        }
        given.join(" ")
    }

    #[test]
    fn pictures_are_displayed_in_order_and_decoded_one_picture_before() {
        for (pictures, expected) in [
            ("I P P", "0/-1 1/0 2/1"),
            ("I P B B P B", "0/-1 3/0 1/1 2/2 5/3 4/4"),
            ("I B B P", "0/-3 -2/-2 -1/-1 1/0"),
            ("B I P B", "0/0 1/0 3/1 2/2"),
        ] {
            let mut all = PictureTimes::new(100);
            all.start(MediaTime::ZERO);
            assert_eq!(times(&mut all, pictures), expected, "{pictures}");
        }
    }

    #[test]
    fn reading_that_begins_at_a_picture_gives_the_times_it_had() {
        let mut whole = PictureTimes::new(100);
        let all = times(&mut whole, "I P B B I B B P B");
        assert_eq!(all, "0/-1 3/0 1/1 2/2 6/3 4/4 5/5 8/6 7/7");
        let mut part = PictureTimes::new(100);
        part.start(MediaTime::from_millis(60));
        assert_eq!(times(&mut part, "I B B P B"), "6/3 4/4 5/5 8/6 7/7");
    }

    #[test]
    fn stamps_win_and_what_has_none_follows_them() {
        for (pictures, expected) in [
            ("I10/9 P B B P", "10/9 13/10 11/11 12/12 14/13"),
            ("I10/8 P13/9 B11 B P B", "10/8 13/9 11/11 12/12 15/12 14/14"),
            ("I P23/20 B B", "20/19 23/20 21/21 22/22"),
            ("I50 P51 P P53", "50/50 51/51 52/52 53/53"),
        ] {
            let mut all = PictureTimes::new(100);
            all.start(MediaTime::from_millis(200));
            assert_eq!(times(&mut all, pictures), expected, "{pictures}");
        }
    }

    #[test]
    fn without_b_pictures_nothing_waits() {
        let mut all = PictureTimes::new(100);
        all.configure(100, false);
        assert_eq!(times(&mut all, "I P P"), "0/0 1/1 2/2");
        all.push(CodedPicture::default());
        assert!(all.pop(&mut Sample::default()).is_some());
    }

    #[test]
    fn a_clock_of_the_codec_tells_how_long_each_is_displayed_unless_it_is_beyond_belief() {
        let mut all = PictureTimes::new(10);
        let mut pts = Vec::new();
        for (clock, is_bidirectional) in [(5, false), (40, false), (30, true), (40, false), (20, false), (9999, false)]
        {
            all.push(CodedPicture { clock: Some(clock), ticks: 2, is_bidirectional, ..CodedPicture::default() });
        }
        all.flush();
        let mut sample = Sample::default();
        while all.pop(&mut sample).is_some() {
            pts.push(sample.pts.to_ticks(10));
        }
        assert_eq!(pts, [0, 35, 25, 37, 39, 41]);
    }

    #[test]
    fn a_group_without_end_is_given_out_in_parts() {
        let mut all = PictureTimes::new(100);
        for _ in 0..100 {
            all.push(CodedPicture { is_bidirectional: true, ticks: 1, ..CodedPicture::default() });
        }
        assert!(all.group.len() <= GROUP_MAX, "{} wait", all.group.len());
        assert_eq!(all.ready.len() + all.group.len(), 100);
    }
}
