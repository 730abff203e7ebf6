//! The accounts' sizes, and what their transitions allow.

use anchor_lang::prelude::*;
use anchor_lang::Space;
use escrow::constants::*;
use escrow::errors::EscrowError;
use escrow::logic::ack::Ack;
use escrow::logic::channel_terms::ChannelTerms;
use escrow::logic::head::Head;
use escrow::logic::offer::{Offer, MODE_MERKLE, MODE_NONE, MODE_SCORE, MODE_ZK};
use escrow::logic::sampler::{Candidate, Sampler};
use escrow::logic::step::{Candidates, Step};
use escrow::state::{
    stake_at_risk, Challenge, Channel, ChannelStatus, Delivered, Delivery, Evidence, Job, JobStatus, Provider, Shares,
    Terms,
};

const NOW: i64 = 1_790_000_000;
const CLIENT: Pubkey = Pubkey::new_from_array([7; 32]);
const AUTHORITY: Pubkey = Pubkey::new_from_array([8; 32]);
const STRANGER: Pubkey = Pubkey::new_from_array([9; 32]);
const JOB_ID: [u8; 32] = [2; 32];

fn refused<T: std::fmt::Debug>(result: Result<T>, with: EscrowError) {
    assert_eq!(result.unwrap_err(), with.into());
}

fn provider(stake: u64) -> Provider {
    Provider::new(AUTHORITY, [1; 32], stake, 255, NOW).unwrap()
}

/// 777 + ceil((23 × 1500 + 64 × 4001) / 1000) = 1068 lamports.
fn offer() -> Offer {
    Offer {
        client: [3; 32],
        provider: [1; 32],
        exec_class: [4; 32],
        seed: [5; 32],
        expires_at: (NOW as u64 + 60) * 1_000,
        mode: MODE_MERKLE,
        sampler: Sampler { temperature: 70, min_p: 0, top_p: 100, top_k: 2, vocab: 300 },
        max_tokens: 64,
        start: 0,
        pay: 1,
        account: CLIENT.to_bytes(),
        amount: 1_068,
        prompt_tokens: 23,
        price_job: 777,
        price_in: 1_500,
        price_out: 4_001,
        grace: 32,
        deliver_within: 600,
        plain: true,
    }
}

fn open(offer: &Offer) -> Result<Job> {
    Job::open(offer, Terms::of(offer, JOB_ID), CLIENT, AUTHORITY, 255, NOW)
}

fn job() -> Job {
    open(&offer()).unwrap()
}

fn head(token_count: u32, finish: u8) -> Head {
    Head {
        job_id: JOB_ID,
        token_count,
        root: [5; 32],
        prefix: [6; 32],
        text_digest: [7; 32],
        input_digest: [8; 32],
        exec_class: [4; 32],
        prompt_count: 23,
        finish,
    }
}

fn ack(n: u32, stop: u8) -> Ack {
    Ack { job_id: JOB_ID, n, stop, account: [0; 32], committed: 0, released: 0 }
}

fn submitted(head: &Head, ack: &Ack) -> Job {
    let mut job = job();
    job.require_submittable(head, ack, NOW).unwrap();
    job.submit(head, ack, NOW).unwrap();
    job
}

fn channel_terms(deposit: u64, window: u64) -> ChannelTerms {
    ChannelTerms {
        chain: [0; 32],
        program: escrow::ID.to_bytes(),
        payer: CLIENT.to_bytes(),
        authority: AUTHORITY.to_bytes(),
        provider: [1; 32],
        client: [3; 32],
        deposit,
        window,
        expires_at: NOW as u64 + 3_600,
        valid_until: NOW as u64 + 120,
    }
}

fn channel(deposit: u64) -> Channel {
    Channel::open(&channel_terms(deposit, deposit / 2), [6; 32], 255, NOW).unwrap()
}

fn totals(committed: u64, released: u64, stop: u8) -> Ack {
    Ack { job_id: [0; 32], n: 0, stop, account: [6; 32], committed, released }
}

mod sizes {
    use super::*;

    #[test]
    fn are_those_of_the_encoding() {
        let size = |bytes: Vec<u8>| bytes.len();
        assert_eq!(Provider::SPACE, 8 + Provider::INIT_SPACE);
        assert_eq!(Job::SPACE, 8 + Job::INIT_SPACE);
        assert_eq!(Channel::SPACE, 8 + Channel::INIT_SPACE);
        assert_eq!(Evidence::SPACE, 8 + Evidence::INIT_SPACE);
        assert_eq!(Terms::SPACE, Terms::INIT_SPACE);
        assert_eq!(Delivery::SPACE, Delivery::INIT_SPACE);
        assert_eq!(Challenge::SPACE, Challenge::INIT_SPACE);
        assert_eq!(8 + size(provider(MIN_STAKE).try_to_vec().unwrap()), Provider::SPACE);
        assert_eq!(8 + size(job().try_to_vec().unwrap()), Job::SPACE);
        assert_eq!(8 + size(channel(10).try_to_vec().unwrap()), Channel::SPACE);
        let evidence = Evidence::new(STRANGER, CLIENT, Terms::of(&offer(), JOB_ID), &head(1, 0), 255);
        assert_eq!(8 + size(evidence.try_to_vec().unwrap()), Evidence::SPACE);
    }
}

mod stake {
    use super::*;

    #[test]
    fn below_the_minimum() {
        refused(Provider::new(AUTHORITY, [1; 32], MIN_STAKE - 1, 255, NOW), EscrowError::StakeTooLow);
    }

    #[test]
    fn locked_does_not_leave() {
        let mut provider = provider(MIN_STAKE);
        provider.lock_stake(MIN_STAKE - 10).unwrap();
        refused(provider.withdraw(11), EscrowError::StakeLocked);
        refused(provider.withdraw(0), EscrowError::AmountZero);
        provider.withdraw(10).unwrap();
        assert_eq!((provider.stake, provider.free_stake()), (MIN_STAKE - 10, 0));
        provider.invariant().unwrap();
    }

    #[test]
    fn is_locked_once_for_each_thing() {
        let mut provider = provider(MIN_STAKE);
        provider.lock_stake(MIN_STAKE / 2).unwrap();
        provider.lock_stake(MIN_STAKE / 2).unwrap();
        refused(provider.lock_stake(1), EscrowError::StakeTooLow);
        provider.unlock_stake(1).unwrap();
        provider.lock_stake(1).unwrap();
    }

    #[test]
    fn is_slashed_without_touching_what_other_jobs_locked() {
        let mut provider = provider(MIN_STAKE);
        provider.lock_stake(100).unwrap();
        provider.lock_stake(50).unwrap();
        provider.slash(50).unwrap();
        assert_eq!((provider.stake, provider.locked_stake, provider.jobs_slashed), (MIN_STAKE - 50, 100, 1));
        provider.slash(100).unwrap();
        refused(provider.slash(1), EscrowError::MathOverflow);
    }

    #[test]
    fn never_overflows() {
        refused(provider(u64::MAX).credit(1), EscrowError::MathOverflow);
        refused(provider(MIN_STAKE).add_stake(0), EscrowError::AmountZero);
        refused(stake_at_risk(u64::MAX / SLASH_MULTIPLE + 1), EscrowError::MathOverflow);
        assert_eq!(stake_at_risk(u64::MAX / SLASH_MULTIPLE).unwrap(), u64::MAX - u64::MAX % SLASH_MULTIPLE);
    }

    #[test]
    fn an_account_that_locks_more_than_it_has_breaks_its_rule() {
        let broken = Provider { locked_stake: MIN_STAKE + 1, ..provider(MIN_STAKE) };
        refused(broken.invariant(), EscrowError::InvariantViolated);
    }

    #[test]
    fn counters_never_hold_up_money() {
        let mut provider = provider(MIN_STAKE);
        (provider.jobs_completed, provider.earned) = (u64::MAX, u64::MAX - 1);
        (provider.jobs_rejected, provider.rejected) = (u32::MAX, u64::MAX);
        provider.count_completed();
        provider.count_earned(2);
        provider.count_rejected(1);
        assert_eq!((provider.jobs_completed, provider.earned), (u64::MAX, u64::MAX));
        assert_eq!((provider.jobs_rejected, provider.rejected), (u32::MAX, u64::MAX));
    }

    #[test]
    fn a_rejection_that_burns_nothing_is_not_counted() {
        let mut provider = provider(MIN_STAKE);
        provider.count_rejected(0);
        assert_eq!(provider.jobs_rejected, 0);
        provider.count_rejected(5);
        assert_eq!((provider.jobs_rejected, provider.rejected), (1, 5));
    }

    #[test]
    fn every_binding_has_its_own_number() {
        let mut provider = provider(MIN_STAKE);
        assert_eq!((provider.bindings, provider.next_binding().unwrap()), (0, 1));
        assert_eq!(provider.rotate_peer([2; 32]).unwrap(), [1; 32]);
        assert_eq!((provider.bindings, provider.peer), (1, [2; 32]));
        provider.bindings = u32::MAX;
        refused(provider.rotate_peer([3; 32]), EscrowError::MathOverflow);
    }
}

mod jobs {
    use super::*;

    #[test]
    fn are_opened_for_exactly_what_the_offer_says() {
        let job = job();
        assert_eq!((job.amount, job.status, job.stake_at_risk), (1_068, JobStatus::Open, 0));
        assert_eq!((job.client, job.provider), (CLIENT, AUTHORITY));
        for (amount, error) in [
            (1_067, EscrowError::AmountMismatch),
            (1_069, EscrowError::AmountMismatch),
            (u64::MAX, EscrowError::AmountMismatch),
            (0, EscrowError::AmountZero),
        ] {
            refused(open(&Offer { amount, ..offer() }), error);
        }
        refused(open(&Offer { price_out: u64::MAX, ..offer() }), EscrowError::AmountMismatch);
        refused(open(&Offer { pay: 2, ..offer() }), EscrowError::OfferMismatch);
        refused(open(&Offer { pay: 0, ..offer() }), EscrowError::OfferMismatch);
        refused(open(&Offer { account: STRANGER.to_bytes(), ..offer() }), EscrowError::OfferMismatch);
        refused(open(&Offer { max_tokens: MAX_TOKENS + 1, ..offer() }), EscrowError::TooManyTokens);
    }

    #[test]
    fn a_score_job_costs_the_price_of_prompts() {
        let score = Offer { mode: MODE_SCORE, amount: 777 + (87u64 * 1_500).div_ceil(1_000), ..offer() };
        open(&score).unwrap();
        refused(open(&Offer { mode: MODE_SCORE, ..offer() }), EscrowError::AmountMismatch);
    }

    #[test]
    fn are_opened_before_the_offer_expires() {
        let at = |expires_at| open(&Offer { expires_at, ..offer() });
        at(NOW as u64 * 1_000 + 1).unwrap();
        refused(at(NOW as u64 * 1_000), EscrowError::OfferExpired);
        refused(at(0), EscrowError::OfferExpired);
        at(u64::MAX).unwrap();
    }

    #[test]
    fn are_delivered_within_a_minute_to_a_day() {
        for (deliver_within, fits) in [(59, false), (60, true), (86_400, true), (86_401, false)] {
            assert_eq!(open(&Offer { deliver_within, ..offer() }).is_ok(), fits, "{deliver_within} s");
        }
    }

    #[test]
    fn submit_and_anybodys_refund_are_never_both_possible() {
        let job = job();
        for now in [i64::MIN, NOW - 1, NOW, NOW + 599, NOW + 600, i64::MAX] {
            let submit = job.require_submittable(&head(64, 1), &ack(64, 0), now).is_ok();
            assert_ne!(submit, job.require_refundable(&STRANGER, now).is_ok(), "at {now}");
            job.require_refundable(&AUTHORITY, now).unwrap();
        }
        refused(job.require_refundable(&CLIENT, NOW + 599), EscrowError::DeliveryPending);
        refused(job.require_submittable(&head(64, 1), &ack(64, 0), NOW + 600), EscrowError::DeadlinePassed);
    }

    #[test]
    fn reject_and_anybodys_confirm_are_never_both_possible() {
        let job = submitted(&head(64, 1), &ack(64, 0));
        for now in [i64::MIN, NOW, NOW + 299, NOW + 300, i64::MAX] {
            let reject = job.require_can_object(now).is_ok();
            assert_ne!(reject, job.require_confirmable(&STRANGER, now).is_ok(), "at {now}");
            job.require_confirmable(&CLIENT, now).unwrap();
        }
        refused(job.require_confirmable(&AUTHORITY, NOW + 299), EscrowError::CheckWindowOpen);
        refused(job.require_can_object(NOW + 300), EscrowError::CheckWindowClosed);
        refused(job.require_refundable(&AUTHORITY, i64::MAX), EscrowError::InvalidStatus);
        refused(job.require_submittable(&head(64, 1), &ack(64, 0), NOW), EscrowError::InvalidStatus);
    }

    #[test]
    fn an_open_job_pays_and_burns_nothing() {
        refused(job().require_confirmable(&CLIENT, i64::MAX), EscrowError::InvalidStatus);
        refused(job().require_can_object(NOW), EscrowError::InvalidStatus);
    }

    #[test]
    fn what_can_be_submitted() {
        let job = job();
        let check = |head: Head, ack: Ack| job.require_submittable(&head, &ack, NOW);
        check(head(0, 3), ack(0, 0)).unwrap();
        check(head(1, 0), ack(1, 0)).unwrap();
        check(head(64, 1), ack(40, 1)).unwrap();
        check(head(10, 2), ack(3, 1)).unwrap();
        check(head(10, 5), ack(0, 0)).unwrap();
        refused(check(head(65, 0), ack(1, 0)), EscrowError::TooManyTokens);
        refused(check(Head { prompt_count: 24, ..head(1, 0) }, ack(1, 0)), EscrowError::PromptTooLong);
        refused(check(Head { job_id: [1; 32], ..head(1, 0) }, ack(1, 0)), EscrowError::HeadMismatch);
        refused(check(head(10, 2), ack(10, 0)), EscrowError::InvalidFinish);
        refused(check(head(10, 255), ack(10, 0)), EscrowError::InvalidFinish);
        refused(check(head(10, 4), ack(10, 0)), EscrowError::InvalidFinish);
        refused(check(head(10, 0), ack(11, 0)), EscrowError::AckBeyondAnswer);
        refused(check(head(10, 0), Ack { job_id: [1; 32], ..ack(10, 0) }), EscrowError::AckMismatch);
        refused(check(head(10, 0), Ack { account: [1; 32], ..ack(10, 0) }), EscrowError::AckMismatch);
        let score = Job { terms: Terms { mode: MODE_SCORE, ..job.terms.clone() }, ..job.clone() };
        score.require_submittable(&head(64, 4), &ack(64, 0), NOW).unwrap();
        refused(score.require_submittable(&head(64, 1), &ack(64, 0), NOW), EscrowError::InvalidFinish);
    }

    #[test]
    fn what_was_acknowledged_decides_what_is_paid() {
        for (tokens, acked, paid) in [(60, 0, 0), (60, 1, 33), (60, 10, 42), (60, 60, 60), (12, 10, 12)] {
            let job = submitted(&head(tokens, 3), &ack(acked, 0));
            let price = 777 + (23u64 * 1_500 + paid * 4_001).div_ceil(1_000);
            assert_eq!((u64::from(job.delivery.paid_count), job.payout()), (paid, price), "{acked} of {tokens}");
            assert_eq!(job.stake_at_risk, SLASH_MULTIPLE * price);
        }
    }

    #[test]
    fn no_payout_is_above_the_amount() {
        let mut job = submitted(&head(64, 1), &ack(64, 0));
        assert_eq!(job.payout(), 1_068);
        job.terms.price_out = u64::MAX;
        assert_eq!(job.payout(), 1_068);
    }

    #[test]
    fn a_client_checks_as_long_as_the_answer_took() {
        for (took, window) in [(-5, 300), (0, 300), (300, 300), (301, 301), (86_400, 86_400), (86_401, 86_400)] {
            let mut job = job();
            job.submit(&head(1, 0), &ack(1, 0), NOW + took).unwrap();
            assert_eq!(job.release_at, NOW + took + window, "took {took} s");
        }
    }
}

mod channels {
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
        refused(
            Channel::open(&ChannelTerms { window: u64::MAX, ..terms }, [6; 32], 255, NOW),
            EscrowError::MathOverflow,
        );
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
        let file: serde_json::Value = serde_json::from_str(include_str!("../../../test/vectors/channel.json")).unwrap();
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
}

mod challenges {
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
}

mod proofs {
    use super::*;

    /// One answer of one token, in both accounts that can keep it.
    fn both(terms: &Terms, head: &Head) -> [Box<dyn Delivered>; 2] {
        let mut job = job();
        job.terms = terms.clone();
        job.submit(head, &ack(1, 0), NOW).unwrap();
        let evidence = Evidence::new(STRANGER, CLIENT, terms.clone(), head, 255);
        [Box::new(job), Box::new(evidence)]
    }

    fn step(token: u32, list: Option<Vec<Candidate>>) -> Step {
        let candidates = list.map(|list| Candidates { salt: [1; 16], list });
        Step { token, prefix: [2; 32], candidates, exact: [3; 32], zk: None }
    }

    /// The head of an answer that is `step` alone.
    fn head_of(step: &Step) -> Head {
        Head { root: step.leaf(&JOB_ID, 0).unwrap(), ..head(1, 0) }
    }

    fn terms(mode: u8, plain: bool) -> Terms {
        Terms::of(&Offer { mode, plain, ..offer() }, JOB_ID)
    }

    const CANDIDATES: [Candidate; 2] = [Candidate { id: 5, q: 9_000 }, Candidate { id: 6, q: -9_000 }];

    #[test]
    fn an_honest_step_answers_and_proves_no_fault() {
        let honest = step(5, Some(CANDIDATES.to_vec()));
        for answer in both(&terms(MODE_MERKLE, true), &head_of(&honest)) {
            answer.require_answer(0, &honest, &[]).unwrap();
            refused(answer.require_false_draw(0, &honest, &[]), EscrowError::TokenFollows);
            refused(answer.require_answer(0, &step(6, Some(CANDIDATES.to_vec())), &[]), EscrowError::RootMismatch);
            refused(answer.require_answer(1, &honest, &[]), EscrowError::RootMismatch);
            refused(answer.require_answer(0, &honest, &[[0; 32]; 17]), EscrowError::PathTooLong);
        }
    }

    #[test]
    fn a_false_draw_is_a_fault_and_no_answer() {
        let false_draw = step(6, Some(CANDIDATES.to_vec()));
        for answer in both(&terms(MODE_MERKLE, true), &head_of(&false_draw)) {
            answer.require_false_draw(0, &false_draw, &[]).unwrap();
            refused(answer.require_answer(0, &false_draw, &[]), EscrowError::TokenMismatch);
        }
    }

    #[test]
    fn draws_are_judged_in_modes_1_and_2_without_extra_alone() {
        let false_draw = step(6, Some(CANDIDATES.to_vec()));
        for (mode, plain, judged) in
            [(0, true, false), (1, true, true), (2, true, true), (4, true, false), (1, false, false), (2, false, false)]
        {
            for answer in both(&terms(mode, plain), &head_of(&false_draw)) {
                assert_eq!(answer.require_false_draw(0, &false_draw, &[]).is_ok(), judged, "mode {mode}, {plain}");
                assert_eq!(answer.require_answer(0, &false_draw, &[]).is_err(), judged, "mode {mode}, {plain}");
            }
        }
    }

    #[test]
    fn candidates_are_shown_except_in_mode_zk() {
        let (shown, hidden) = (step(5, Some(CANDIDATES.to_vec())), step(5, None));
        for mode in [1, 2, MODE_SCORE] {
            for answer in both(&terms(mode, false), &head_of(&hidden)) {
                refused(answer.require_answer(0, &hidden, &[]), EscrowError::CandidatesMissing);
            }
        }
        for answer in both(&terms(MODE_MERKLE, true), &head_of(&hidden)) {
            refused(answer.require_false_draw(0, &hidden, &[]), EscrowError::CandidatesMissing);
        }
        let [job, evidence] = both(&terms(MODE_ZK, true), &head_of(&hidden));
        job.require_answer(0, &hidden, &[]).unwrap();
        evidence.require_answer(0, &hidden, &[]).unwrap();
        for answer in both(&terms(MODE_ZK, true), &head_of(&shown)) {
            refused(answer.require_answer(0, &shown, &[]), EscrowError::CandidatesMissing);
            refused(answer.require_false_draw(0, &shown, &[]), EscrowError::DrawsNotJudgeable);
        }
    }

    /// A continued answer draws on where the earlier job ended.
    #[test]
    fn draws_begin_at_start() {
        let even = [Candidate { id: 5, q: 0 }, Candidate { id: 6, q: 0 }];
        let mut tokens = std::collections::BTreeSet::new();
        for start in 0..16 {
            let terms = Terms { start, ..terms(MODE_MERKLE, true) };
            let token = terms.sampler().pick(&terms.seed, start, &even).unwrap();
            let honest = step(token, Some(even.to_vec()));
            let [job, _] = both(&terms, &head_of(&honest));
            job.require_answer(0, &honest, &[]).unwrap();
            tokens.insert(token);
        }
        assert_eq!(tokens.len(), 2, "the draws differ");
    }

    #[test]
    fn what_can_be_challenged() {
        let honest = step(5, Some(CANDIDATES.to_vec()));
        for answer in both(&terms(MODE_NONE, true), &head_of(&honest)) {
            refused(answer.require_challengeable(), EscrowError::NotChallengeable);
        }
        for mode in [1, 2, MODE_ZK] {
            for answer in both(&terms(mode, true), &head(MAX_TOKENS, 0)) {
                answer.require_challengeable().unwrap();
            }
        }
        for (count, fits) in [(1 << MAX_SCORE_PATH, true), ((1 << MAX_SCORE_PATH) + 1, false)] {
            for answer in both(&terms(MODE_SCORE, true), &head(count, 4)) {
                assert_eq!(answer.require_challengeable().is_ok(), fits, "{count} scored tokens");
            }
        }
        let mut job = submitted(&head(64, 1), &ack(64, 0));
        job.challenge(Challenge::make(&[0], 64, CLIENT, NOW).unwrap()).unwrap();
        job.delivery.challenge.close(0).unwrap();
        refused(job.require_challengeable(), EscrowError::AlreadyChallenged);
    }

    #[test]
    fn the_delivery_counts_as_a_signed_head() {
        for answer in both(&terms(MODE_MERKLE, true), &head(38, 0)) {
            let with = |head: Head| answer.require_equivocation(&head, None);
            refused(with(head(38, 0)), EscrowError::HeadsAgree);
            refused(with(head(38, 255)), EscrowError::HeadsAgree);
            refused(with(Head { text_digest: [0; 32], ..head(32, 255) }), EscrowError::HeadsAgree);
            with(head(37, 0)).unwrap();
            with(head(38, 3)).unwrap();
            with(head(39, 255)).unwrap();
            with(Head { root: [0; 32], ..head(38, 255) }).unwrap();
            with(Head { text_digest: [0; 32], ..head(38, 0) }).unwrap();
            with(Head { prompt_count: 22, ..head(32, 255) }).unwrap();
            // What is not kept cannot contradict, except between two heads.
            let other_class = Head { exec_class: [0; 32], ..head(38, 0) };
            refused(with(other_class), EscrowError::HeadsAgree);
            answer.require_equivocation(&other_class, Some(&head(38, 0))).unwrap();
            let foreign = Head { job_id: [1; 32], ..head(37, 0) };
            refused(with(foreign), EscrowError::HeadMismatch);
            refused(answer.require_equivocation(&head(38, 0), Some(&foreign)), EscrowError::HeadMismatch);
        }
    }

    /// An evidence may hold a head that more tokens follow.
    #[test]
    fn an_evidence_of_an_early_head() {
        let evidence = Evidence::new(STRANGER, CLIENT, terms(MODE_MERKLE, true), &head(32, 255), 255);
        refused(evidence.require_equivocation(&head(38, 0), None), EscrowError::HeadsAgree);
        evidence.require_equivocation(&head(31, 0), None).unwrap();
        evidence.require_equivocation(&Head { root: [0; 32], ..head(32, 255) }, None).unwrap();
    }
}
