//! Audit paths of RFC 6962 section 2.1, over leaves that are hashes already (protocol section 4.2).

use super::message::sha256;

/// `SHA(0x01 ‖ left ‖ right)`.
pub fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

/// The root of the tree of `count` leaves in which `leaf` is at `index` with `path` (from the leaf up), or `None` where
/// no path of this length belongs to this place.
pub fn root_of_path(leaf: &[u8; 32], index: u32, count: u32, path: &[[u8; 32]]) -> Option<[u8; 32]> {
    let mut last = count.checked_sub(1)?;
    let mut at = index;
    if at > last {
        return None;
    }
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            // The last leaf of an uneven level has no sibling there and moves up as it is.
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}
