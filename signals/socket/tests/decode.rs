//! Decoding stands whatever comes: damaged records are refused, never a panic.

use signal_socket::SOCKET;

#[test]
fn damaged_records_are_refused() {
    let (taken, refused) = testkit::fuzz::decode(&SOCKET, 1, 200_000, 42);
    // Both happen, or the test tests nothing.
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}
