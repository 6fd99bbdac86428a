//! Fragments, whole, cut off and damaged; tables that lie.

use super::*;

pub fn fragmentings() -> Vec<Fragmenting> {
    let mut all = Vec::new();
    for base in [Base::Moof, Base::Absolute, Base::Implicit] {
        for has_tfdt in [true, false] {
            for (is_verbose, is_separate) in [(false, false), (true, false), (false, true)] {
                for index in [Index::None, Index::Mfra, Index::Sidx, Index::Wrong] {
                    all.push(Fragmenting { base, has_tfdt, is_verbose, is_separate, index, ..PLAIN });
                }
            }
        }
    }
    all
}

#[test]
fn fragments_give_the_same_samples_in_whatever_way_they_are_written() {
    let tracks = both();
    for how in fragmentings() {
        let bytes = fragmented_file(&tracks, how);
        assert_eq!(read_all(&bytes), expected(&tracks), "{how:?}");
        let movie = open(&bytes).unwrap();
        assert_eq!(movie.duration(), Some(at(4.0)), "{how:?}");
        assert_eq!(movie.tracks()[0].frame_rate, Some(25.0), "{how:?}");
    }
}

#[test]
fn fragments_that_follow_the_samples_of_moov_go_on_after_them() {
    let tracks = both();
    let first: Vec<TestTrack> = [(0, 20), (1, 38)]
        .map(|(index, count)| TestTrack { samples: tracks[index].samples[..count].to_vec(), ..tracks[index].clone() })
        .to_vec();
    for has_tfdt in [true, false] {
        let mut bytes = whole_file(&first, Layout::MoovFirst);
        let how = Fragmenting { has_tfdt, ..PLAIN };
        bytes.extend(fragments(&tracks, how, bytes.len() as u64, &[20, 38]).0);
        assert_eq!(read_all(&bytes), expected(&tracks), "tfdt: {has_tfdt}");
        let mut reader = reader(&bytes);
        for (to, landed) in [(0.5, 0.4), (1.0, 0.8), (3.3, 3.2), (0.79, 0.4)] {
            assert_eq!(reader.seek(at(to), SeekTo::SyncAtOrBefore).unwrap(), at(landed), "tfdt: {has_tfdt}");
            assert_eq!(read_on(&mut *reader).0[0].pts, at(landed).as_nanos());
        }
        assert_eq!(reader.seek(at(0.5), SeekTo::SyncAtOrAfter).unwrap(), at(0.8));
    }
}

#[test]
fn a_fragmented_file_that_is_cut_off_plays_as_far_as_it_is_whole() {
    let tracks = both();
    let bytes = fragmented_file(&tracks, PLAIN);
    let whole = read_all(&bytes);
    let last_moof = find(&bytes, b"moof", 9);
    let last_mdat = find(&bytes, b"mdat", 9);
    let before = whole.iter().filter(|got| got.dts < 3_600_000_000).count();
    for (cut, at_least, what) in [
        (last_moof + 5, before, "box header"),
        (last_moof + 60, before, "tfhd"),
        (last_mdat + 8 + 60, before + 3, "sample"),
    ] {
        let (got, skipped) = read_on(&mut *reader(&bytes[..cut]));
        assert!(got.len() >= at_least && got.len() < whole.len(), "cut at {cut}: {} samples", got.len());
        assert_eq!(got, whole.iter().filter(|sample| got.contains(sample)).cloned().collect::<Vec<_>>());
        assert_eq!(skipped.len(), 1, "{skipped:?}");
        let told = &skipped[0];
        assert!(told.contains("cut off at byte") && (told.contains(what) || cut == last_moof + 60), "{told}");
    }
    let (got, skipped) = read_on(&mut *reader(&bytes[..last_moof]));
    assert_eq!((got.len(), skipped.len()), (before, 0), "cut between fragments");
}

#[test]
fn damage_between_fragments_costs_one_of_them() {
    let tracks = both();
    let bytes = fragmented_file(&tracks, PLAIN);
    let whole = read_all(&bytes);
    let mut damaged = bytes.clone();
    let mdat = find(&bytes, b"mdat", 3);
    patch(&mut damaged, mdat, &words(&[5]));
    let (got, skipped) = read_on(&mut *reader(&damaged));
    assert_eq!(skipped, [format!("malformed size of the mdat box at byte {mdat}")]);
    assert_eq!(got.len(), whole.len(), "the moof before the damage still finds its data");
    let mut damaged = bytes.clone();
    let moof = find(&bytes, b"moof", 3);
    patch(&mut damaged, find(&bytes, b"traf", 6), &words(&[2]));
    let (got, skipped) = read_on(&mut *reader(&damaged));
    assert_eq!(skipped.len(), 1, "{skipped:?} for the moof at {moof}");
    let lost = whole.iter().filter(|got| (1_200_000_000..1_600_000_000).contains(&got.dts)).count();
    assert!((whole.len() - lost..whole.len()).contains(&got.len()), "{} of {}", got.len(), whole.len());
}

#[test]
fn counts_that_lie_are_bounded_by_the_box_and_told() {
    let tracks = [video(1, 50)];
    let bytes = whole_file(&tracks, Layout::MoovLast);
    for (kind, field) in [(b"stsz", 16), (b"stts", 12), (b"stsc", 12), (b"stco", 12), (b"stss", 12)] {
        let mut lying = bytes.clone();
        let place = find(&bytes, kind, 0) + field;
        patch(&mut lying, place, &words(&[u32::MAX]));
        let movie = open(&lying).unwrap();
        assert!(notes(&movie)[0].contains("with too large a count at byte"), "{:?}", notes(&movie));
        assert_eq!(read_on(&mut *movie.reader().unwrap()).0, expected(&tracks), "{}", kind.escape_ascii());
    }
    let fragmented = fragmented_file(&tracks, Fragmenting { is_verbose: true, ..PLAIN });
    let mut lying = fragmented.clone();
    let trun = find(&fragmented, b"trun", 2);
    patch(&mut lying, trun + 12, &words(&[u32::MAX]));
    let (got, skipped) = read_on(&mut *reader(&lying));
    assert_eq!(skipped, [format!("malformed sample count of the trun at byte {trun}")]);
    assert_eq!(got, expected(&tracks));
}

#[test]
fn tables_that_contradict_each_other_play_as_far_as_they_agree() {
    let tracks = [video(1, 50)];
    let bytes = whole_file(&tracks, Layout::MoovLast);
    // The fourth of eight runs of chunks starts before the third.
    let mut wild = bytes.clone();
    let stsc = find(&bytes, b"stsc", 0);
    patch(&mut wild, stsc + 16 + 3 * 12, &words(&[2]));
    let (got, skipped) = read_on(&mut *reader(&wild));
    assert_eq!(skipped, [format!("malformed stsc entry at byte {}", stsc + 16 + 2 * 12)]);
    assert_eq!(got, expected(&tracks)[..14]);
    // More sizes than the chunks hold samples.
    let mut short = bytes.clone();
    patch(&mut short, find(&bytes, b"stco", 0) + 12, &words(&[5]));
    let (got, skipped) = read_on(&mut *reader(&short));
    assert_eq!((got, skipped.len()), (expected(&tracks)[..35].to_vec(), 1), "{skipped:?}");
    // stts says less than there is: the last delta goes on.
    let mut few = bytes.clone();
    patch(&mut few, find(&bytes, b"stts", 0) + 16, &words(&[3]));
    assert_eq!(read_all(&few), expected(&tracks));
}

#[test]
fn a_run_of_four_thousand_million_empty_samples_is_over_at_once() {
    let tracks = [video(1, 20)];
    let mut bytes = fragmented_file(&tracks, PLAIN);
    let tfhd = full(b"tfhd", 0, 0x2_0000, &[&words(&[1])]);
    let trun = full(b"trun", 0, 0, &[&words(&[u32::MAX])]);
    bytes.extend(atom(b"moof", &[&full(b"mfhd", 0, 0, &[&words(&[3])]), &atom(b"traf", &[&tfhd, &trun])]));
    assert_eq!(read_all(&bytes), expected(&tracks));
}
