use super::*;
use crate::domain::Timestamp;
use crate::domain::moment::BootId;

#[test]
fn a_changing_file_is_waited_for_and_a_stable_one_is_not() {
    let start = Moment { boot: BootId(1), boottime_ms: 5, wall: Timestamp::from_ms(1_000_000_000) };
    let mut patience = Patience::default();
    let mut judge = |mark: &str, after_ms: u64| {
        patience.judge("a", mark, 1_000_000_000 + 60_000, start.plus_ms(after_ms))
    };
    assert_eq!(judge("1", 0), Verdict::Wait(50));
    assert_eq!(judge("1", 50), Verdict::Wait(100));
    assert_eq!(judge("2", 1_999), Verdict::Wait(50));
    let delays = (0..6).map(|_| judge("2", 2_100)).collect::<Vec<_>>();
    assert_eq!(delays[3..], [Verdict::Wait(800), Verdict::Wait(1_000), Verdict::Wait(1_000)]);
    assert_eq!(judge("2", 3_998), Verdict::Wait(1_000));
    assert_eq!(judge("2", 3_999), Verdict::Damaged);
    patience.forget("a");
    assert_eq!(patience.judge("a", "2", 999_998_000, start), Verdict::Damaged);
    patience.retain(|_| false);
    assert!(patience.waiting.is_empty());
}
