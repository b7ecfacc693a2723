//! Negative controls: each planted bug breaks the property that stands against it.

use super::Planted;
use super::explore::broken;

/// Seeds tried before a planted bug counts as not found.
const SEEDS: u64 = 400;

/// Finds a run in which `planted` breaks one of `expected`, and demands that the same run without the bug is sound.
fn check(planted: Planted, expected: &[&str]) {
    let found =
        (0..SEEDS).find_map(|seed| broken(seed, Some(planted), false).map(|(name, how)| (seed, name, how)));
    let (seed, name, how) = found.unwrap_or_else(|| panic!("{planted:?} was not found in {SEEDS} seeds"));
    assert!(
        expected.contains(&name),
        "{planted:?} broke {name} in seed {seed}: {how}"
    );
    assert_eq!(
        broken(seed, None, false),
        None,
        "the run of seed {seed} is sound without {planted:?}"
    );
}

#[test]
fn a_skipped_relay_is_found() {
    check(Planted::SkipRelay, &["validity", "agreement"]);
}

#[test]
fn a_forgotten_incarnation_is_found() {
    check(
        Planted::ForgetIncarnation,
        &["integrity", "validity", "agreement"],
    );
}

#[test]
fn a_delivery_before_the_acknowledgements_is_found() {
    check(Planted::DeliverBeforeAcknowledged, &["total order"]);
}

#[test]
fn a_reused_sequence_is_found() {
    check(Planted::ReuseSequence, &["integrity"]);
}

#[test]
fn ignored_causes_are_found() {
    check(Planted::IgnoreCauses, &["causal order"]);
}
