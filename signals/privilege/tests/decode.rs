//! Decoding stands whatever comes: damaged records are refused, never a panic.

use signal_privilege::PRIVILEGE;

#[test]
fn damaged_records_are_refused() {
    let (taken, refused) = testkit::fuzz::decode(&PRIVILEGE, 1, 200_000, 42);
    // Both happen, or the test tests nothing.
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}
