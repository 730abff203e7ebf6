use super::*;

fn closing() -> Channel {
    let mut channel = channel(10_000);
    channel.request_close(&CLIENT, NOW + 121).unwrap();
    channel
}

#[test]
fn are_opened_while_their_terms_are_valid() {
    let at = |now| Channel::open(&channel_terms(10, 5), [6; 32], 255, now);
    at(NOW + 120).unwrap().invariant().unwrap();
    refused(at(NOW + 121), EscrowError::TermsExpired);
    at(NOW + 120 - MAX_TERMS_VALIDITY).unwrap();
    refused(at(NOW + 119 - MAX_TERMS_VALIDITY), EscrowError::TermsTooLong);
    let terms = channel_terms(10, 5);
    let far = ChannelTerms { expires_at: u64::MAX, ..terms.clone() };
    refused(Channel::open(&far, [6; 32], 255, NOW), EscrowError::MathOverflow);
    refused(Channel::open(&ChannelTerms { window: u64::MAX, ..terms }, [6; 32], 255, NOW), EscrowError::MathOverflow);
}

/// Opening needs `now ≤ valid_until`, every way to end one `now > valid_until`: the same terms serve once.
#[test]
fn end_only_when_their_terms_cannot_be_used_again() {
    for now in [NOW, NOW + 120, NOW + 121] {
        let reusable = Channel::open(&channel_terms(10, 5), [6; 32], 255, now).is_ok();
        assert_ne!(reusable, channel(10).require_closable(now).is_ok(), "at {now}");
    }
    refused(channel(10).request_close(&CLIENT, NOW + 120), EscrowError::TermsStillValid);
}

#[test]
fn take_in_larger_totals_alone() {
    let mut channel = channel(10_000);
    for (ack, due) in [
        (totals(500, 200, 0), 200),
        (totals(400, 100, 0), 0),
        (totals(400, 300, 0), 100),
        (totals(9_000, 9_000, 1), 8_700),
    ] {
        channel.require_ack(&ack).unwrap();
        channel.acknowledge(&ack);
        assert_eq!(channel.settle().unwrap(), due);
        channel.invariant().unwrap();
    }
    assert_eq!((channel.committed, channel.released, channel.settled), (9_000, 9_000, 9_000));
    refused(channel.require_ack(&totals(10_001, 0, 0)), EscrowError::AckBeyondDeposit);
    refused(channel.require_ack(&Ack { account: [7; 32], ..totals(1, 1, 0) }), EscrowError::AckMismatch);
}

#[test]
fn close_at_once_only_without_objection_and_with_the_newest_totals() {
    let mut channel = channel(10_000);
    channel.acknowledge(&totals(500, 200, 0));
    channel.require_final_ack(&totals(500, 200, 2)).unwrap();
    refused(channel.require_final_ack(&totals(500, 200, 0)), EscrowError::ObjectionPossible);
    refused(channel.require_final_ack(&totals(500, 200, 1)), EscrowError::ObjectionPossible);
    refused(channel.require_final_ack(&totals(499, 200, 2)), EscrowError::AckStale);
    refused(channel.require_final_ack(&totals(500, 199, 2)), EscrowError::AckStale);
}

#[test]
fn are_closed_by_their_parties_and_later_by_anyone() {
    for caller in [CLIENT, AUTHORITY] {
        channel(10).request_close(&caller, NOW + 121).unwrap();
    }
    refused(channel(10).request_close(&STRANGER, NOW + 3_599), EscrowError::Unauthorized);
    channel(10).request_close(&STRANGER, NOW + 3_600).unwrap();
    refused(closing().request_close(&CLIENT, NOW + 122), EscrowError::InvalidStatus);
}

#[test]
fn reject_and_finish_are_never_both_possible() {
    for now in [NOW + 121, NOW + 121 + CLOSE_WINDOW - 1, NOW + 121 + CLOSE_WINDOW, i64::MAX] {
        assert_ne!(closing().reject(now).is_ok(), closing().require_finishable(now).is_ok(), "at {now}");
    }
    let mut open = channel(10);
    refused(open.reject(NOW), EscrowError::InvalidStatus);
    refused(open.require_finishable(i64::MAX), EscrowError::InvalidStatus);
    let mut twice = closing();
    twice.reject(NOW + 121).unwrap();
    refused(twice.reject(NOW + 122), EscrowError::InvalidStatus);
}

#[test]
fn top_ups_are_for_open_channels() {
    let mut open = channel(10);
    open.top_up(5).unwrap();
    assert_eq!(open.deposit, 15);
    refused(open.top_up(0), EscrowError::AmountZero);
    refused(open.top_up(u64::MAX), EscrowError::MathOverflow);
    refused(closing().top_up(1), EscrowError::InvalidStatus);
}

#[test]
fn broken_totals_break_their_rule() {
    let good = Channel { committed: 9, released: 5, settled: 5, ..channel(10) };
    good.invariant().unwrap();
    for broken in [
        Channel { settled: 6, ..good.clone() },
        Channel { released: 10, ..good.clone() },
        Channel { committed: 11, ..good.clone() },
        Channel { window: 11, ..good.clone() },
        Channel { challenges_open: 1, ..good.clone() },
        Channel { challenges_made: MAX_CHALLENGES + 1, ..good.clone() },
    ] {
        refused(broken.invariant(), EscrowError::InvariantViolated);
    }
}

/// What each gets in all by the end, from the totals of the vectors.
#[test]
fn payouts_of_the_vectors() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../../../test/vectors/channel.json")).unwrap();
    let sequences = file["sequences"].as_array().unwrap();
    assert!(!sequences.is_empty());
    for case in sequences {
        let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<u64>().unwrap();
        let [deposit, committed, released] = ["deposit", "committed", "released"].map(|name| number(&case[name]));
        let mut channel = channel(deposit);
        channel.acknowledge(&totals(committed, released, 0));
        let ends = |how: &str, shares: Shares| {
            let payouts = &case["payouts"][how];
            assert_eq!(shares.provider, number(&payouts["provider"]), "{}, {how}", case["what"]);
            assert_eq!(shares.burnt, number(&payouts["burnt"]), "{}, {how}", case["what"]);
            assert_eq!(deposit - shares.provider - shares.burnt, number(&payouts["payer"]));
        };
        ends("silence", channel.final_shares().unwrap());
        channel.rejected = true;
        ends("rejected", channel.final_shares().unwrap());
        ends("no objection", Shares { provider: channel.settle().unwrap(), burnt: 0 });
    }
}
