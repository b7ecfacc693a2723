//! Negative controls: each planted bug breaks the property that stands against it.

use super::Planted;
use super::explore::broken;
use super::host::Keeping;

/// Seeds tried before a planted bug counts as not found.
const SEEDS: u64 = 400;

/// Finds a run in which `planted` breaks one of `expected`, and demands that the same run without the bug is sound.
fn check(planted: Planted, keeping: Keeping, expected: &[&str]) {
    let found = (0..SEEDS)
        .find_map(|seed| broken(seed, keeping, Some(planted), false).map(|(name, how)| (seed, name, how)));
    let (seed, name, how) = found.unwrap_or_else(|| panic!("{planted:?} was not found in {SEEDS} seeds"));
    assert!(
        expected.contains(&name),
        "{planted:?} broke {name} in seed {seed}: {how}"
    );
    assert_eq!(
        broken(seed, keeping, None, false),
        None,
        "the run of seed {seed} is sound without {planted:?}"
    );
}

#[test]
fn a_skipped_relay_is_found() {
    check(
        Planted::SkipRelay,
        Keeping::AllOrNothing,
        &["validity", "agreement"],
    );
}

#[test]
fn a_forgotten_incarnation_is_found() {
    check(
        Planted::ForgetIncarnation,
        Keeping::AllOrNothing,
        &["integrity", "validity", "agreement"],
    );
}

#[test]
fn a_delivery_before_the_acknowledgements_is_found() {
    check(
        Planted::DeliverBeforeAcknowledged,
        Keeping::AllOrNothing,
        &["total order"],
    );
}

#[test]
fn a_reused_sequence_is_found() {
    check(Planted::ReuseSequence, Keeping::AllOrNothing, &["integrity"]);
}

#[test]
fn ignored_causes_are_found() {
    check(Planted::IgnoreCauses, Keeping::AllOrNothing, &["causal order"]);
}

#[test]
fn a_delivery_told_before_it_is_safe_is_found() {
    check(
        Planted::TellBeforeTaken,
        Keeping::AllOrNothing,
        &["validity", "agreement"],
    );
}

#[test]
fn an_acknowledgement_before_it_is_stored_is_found() {
    check(
        Planted::ActBeforeStored,
        Keeping::Journal,
        &[
            "validity",
            "agreement",
            "numbering",
            "integrity",
            "clock condition",
        ],
    );
}

#[test]
fn a_forgotten_watermark_is_found() {
    check(
        Planted::ForgetWatermark,
        Keeping::Journal,
        &["integrity", "numbering"],
    );
}
