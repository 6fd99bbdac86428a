use camreel::media::{
    container::{self, Options},
    io::Source,
    *,
};
use camreel::time::MediaTime;
#[test]
fn zz() {
    let path = std::env::var("ZZ").unwrap();
    let source = Source::new(std::fs::File::open(&path).unwrap());
    let r = container::open(&source, &path, &Options::default()).unwrap();
    let mut reader = std::sync::Arc::clone(&r).reader().unwrap();
    let to = MediaTime::from_millis(std::env::var("TO").unwrap().parse().unwrap());
    println!("landed {:?} dur {:?}", reader.seek(to, SeekTo::SyncAtOrBefore), r.duration());
    let mut s = Sample::default();
    for _ in 0..12 {
        s.clear();
        let n = reader.next(&mut s);
        println!("{n:?} t{} pts {} dts {} key {} len {}", s.track, s.pts, s.dts, s.is_sync, s.data.len());
    }
}
