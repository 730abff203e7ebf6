use super::*;

fn make(positions: &[u32], count: u32) -> Result<Challenge> {
    Challenge::make(positions, count, CLIENT, NOW)
}

#[test]
fn name_one_to_three_different_positions_of_the_answer() {
    let challenge = make(&[3, 0, 9], 10).unwrap();
    assert_eq!((challenge.open, challenge.bond, challenge.due), (0b111, 3 * BOND, NOW + CHALLENGE_WINDOW));
    for positions in [&[][..], &[0, 1, 2, 3], &[1, 1], &[0, 5, 0], &[10], &[u32::MAX]] {
        refused(make(positions, 10), EscrowError::InvalidPositions);
    }
    refused(make(&[0], 0), EscrowError::InvalidPositions);
}

#[test]
fn each_position_is_answered_once() {
    let mut challenge = make(&[3, 0], 10).unwrap();
    refused(challenge.close(1), EscrowError::PositionNotOpen);
    assert_eq!(challenge.close(0).unwrap(), BOND);
    refused(challenge.close(0), EscrowError::PositionNotOpen);
    assert!(challenge.is_open());
    challenge.close(3).unwrap();
    assert!(!challenge.is_open());
    assert_eq!(challenge.bond, 0);
    // The unused third place holds a zero.
    refused(challenge.close(0), EscrowError::PositionNotOpen);
}

#[test]
fn are_overdue_while_open_alone() {
    let mut challenge = make(&[3], 10).unwrap();
    assert!(!challenge.is_overdue(NOW + CHALLENGE_WINDOW - 1));
    assert!(challenge.is_overdue(NOW + CHALLENGE_WINDOW));
    challenge.close(3).unwrap();
    assert!(!challenge.is_overdue(i64::MAX));
    assert!(!Challenge::default().is_overdue(i64::MAX));
}

#[test]
fn the_bond_goes_back_to_who_put_it_up() {
    let mut challenge = make(&[3], 10).unwrap();
    assert_eq!(challenge.bond_owner(STRANGER), CLIENT);
    challenge.close(3).unwrap();
    assert_eq!(challenge.bond_owner(STRANGER), STRANGER);
}

#[test]
fn a_challenge_leaves_a_minute_to_slash_for_silence() {
    let mut job = submitted(&head(64, 1), &ack(64, 0));
    job.challenge(make(&[3], 64).unwrap()).unwrap();
    assert_eq!(job.release_at, NOW + CHALLENGE_WINDOW + CHALLENGE_MARGIN);
    job.release_at = NOW + 86_400;
    job.challenge(make(&[3], 64).unwrap()).unwrap();
    assert_eq!(job.release_at, NOW + 86_400, "never moved back");
    refused(job.require_confirmable(&CLIENT, i64::MAX), EscrowError::ChallengeOpen);

    let challenge = |at| Challenge::make(&[3], 64, CLIENT, at).unwrap();
    let mut channel = channel(10);
    channel.challenge(&challenge(NOW)).unwrap();
    assert_eq!(channel.closing_at, 0);
    channel.request_close(&CLIENT, NOW + 121).unwrap();
    channel.challenge(&challenge(NOW + 122)).unwrap();
    assert_eq!(channel.closing_at, NOW + 121, "never moved back");
    let last = NOW + 121 + CLOSE_WINDOW - 1;
    channel.require_can_object(last).unwrap();
    channel.challenge(&challenge(last)).unwrap();
    assert_eq!(channel.closing_at + CLOSE_WINDOW, last + CHALLENGE_WINDOW + CHALLENGE_MARGIN);
    refused(channel.require_finishable(i64::MAX), EscrowError::ChallengeOpen);
    refused(channel.challenge(&challenge(NOW)), EscrowError::TooManyChallenges);
    for _ in 0..3 {
        channel.challenge_answered().unwrap();
    }
    refused(channel.challenge_answered(), EscrowError::MathOverflow);
    assert_eq!(channel.status, ChannelStatus::Closing);
    channel.require_finishable(i64::MAX).unwrap();
}

#[test]
fn who_may_challenge() {
    let (job, channel) = (job(), channel(10));
    for wallet in [CLIENT, Pubkey::new_from_array([3; 32])] {
        assert!(job.is_client(&wallet) && channel.is_client(&wallet));
    }
    for wallet in [AUTHORITY, STRANGER] {
        assert!(!job.is_client(&wallet) && !channel.is_client(&wallet));
    }
}
