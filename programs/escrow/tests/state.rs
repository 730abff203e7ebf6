//! The accounts' sizes, and what their transitions allow.

use anchor_lang::prelude::*;
use anchor_lang::Space;
use escrow::constants::*;
use escrow::errors::EscrowError;
use escrow::logic::sampler::Sampler;
use escrow::state::{Delivery, Job, JobStatus, JobTerms, Provider};

const NOW: i64 = 1_790_000_000;

fn provider(stake: u64) -> Provider {
    Provider::new(Pubkey::new_unique(), [1; 32], stake, 255, NOW).unwrap()
}

fn terms(amount: u64) -> JobTerms {
    let sampler = Sampler { temperature: 70, min_p: 0, top_k: 20, vocab: 300 };
    JobTerms {
        job_id: [2; 32],
        peer: [1; 32],
        client_peer: [3; 32],
        price_in: 5,
        price_out: 7,
        amount,
        seed: [4; 32],
        sampler,
        max_tokens: 64,
    }
}

fn job(amount: u64) -> Job {
    Job::open(&terms(amount), Pubkey::new_unique(), Pubkey::new_unique(), 0, 255, NOW).unwrap()
}

fn delivery(token_count: u32, finish: u8, cancel_n: Option<u32>) -> Delivery {
    Delivery { root: [5; 32], text_digest: [6; 32], prompt_count: 23, token_count, finish, cancel_n }
}

fn refused<T: std::fmt::Debug>(result: Result<T>, with: EscrowError) {
    assert_eq!(result.unwrap_err(), with.into());
}

#[test]
fn sizes_are_those_of_the_encoding() {
    assert_eq!(Provider::SPACE, 8 + Provider::INIT_SPACE);
    assert_eq!(Job::SPACE, 8 + Job::INIT_SPACE);
    let size = |mut bytes: Vec<u8>| std::mem::take(&mut bytes).len();
    assert_eq!(size(provider(MIN_STAKE).try_to_vec().unwrap()), Provider::INIT_SPACE);
    assert_eq!(size(job(1).try_to_vec().unwrap()), Job::INIT_SPACE);
}

#[test]
fn a_stake_below_the_minimum() {
    refused(Provider::new(Pubkey::new_unique(), [1; 32], MIN_STAKE - 1, 255, NOW), EscrowError::StakeTooLow);
}

#[test]
fn locked_stake_does_not_leave() {
    let mut provider = provider(MIN_STAKE);
    provider.lock_stake(MIN_STAKE - 10).unwrap();
    refused(provider.lock_stake(11), EscrowError::StakeTooLow);
    refused(provider.request_unstake(11, NOW), EscrowError::StakeLocked);
    provider.request_unstake(10, NOW).unwrap();
    refused(provider.withdraw(NOW + UNSTAKE_COOLDOWN - 1), EscrowError::CooldownActive);
    provider.lock_stake(1).unwrap();
    refused(provider.withdraw(NOW + UNSTAKE_COOLDOWN), EscrowError::StakeLocked);
    provider.job_completed(1).unwrap();
    assert_eq!(provider.withdraw(NOW + UNSTAKE_COOLDOWN).unwrap(), 10);
    assert_eq!((provider.stake, provider.free_stake()), (MIN_STAKE - 10, 0));
    refused(provider.withdraw(NOW + 2 * UNSTAKE_COOLDOWN), EscrowError::AmountZero);
}

#[test]
fn a_leaving_provider_takes_no_jobs() {
    let mut provider = provider(MIN_STAKE);
    assert_eq!(provider.take_job(MIN_STAKE).unwrap(), 0);
    assert_eq!(provider.take_job(MIN_STAKE).unwrap(), 1);
    refused(provider.take_job(MIN_STAKE + 1), EscrowError::StakeTooLow);
    provider.request_unstake(1, NOW).unwrap();
    refused(provider.take_job(1), EscrowError::ProviderInactive);
}

#[test]
fn a_slash_takes_the_stake_and_what_was_asked_back_of_it() {
    let mut provider = provider(MIN_STAKE);
    provider.lock_stake(MIN_STAKE / 2).unwrap();
    provider.request_unstake(MIN_STAKE / 2, NOW).unwrap();
    provider.job_slashed(MIN_STAKE / 2).unwrap();
    assert_eq!((provider.stake, provider.locked_stake, provider.unstake_amount), (MIN_STAKE / 2, 0, MIN_STAKE / 2));
    refused(provider.job_slashed(1), EscrowError::MathOverflow);
}

#[test]
fn counters_never_hold_up_money() {
    let mut provider = provider(MIN_STAKE);
    (provider.jobs_refunded, provider.jobs_rejected, provider.jobs_completed) = (u32::MAX, u32::MAX, u64::MAX);
    provider.job_refunded();
    provider.job_rejected(0).unwrap();
    provider.job_completed(0).unwrap();
    assert_eq!(
        (provider.jobs_refunded, provider.jobs_rejected, provider.jobs_completed),
        (u32::MAX, u32::MAX, u64::MAX)
    );
}

#[test]
fn amounts_at_the_borders() {
    refused(Job::open(&terms(0), Pubkey::default(), Pubkey::default(), 0, 255, NOW), EscrowError::AmountZero);
    assert_eq!(job(1).stake_at_risk, SLASH_MULTIPLE);
    assert_eq!(job(u64::MAX / SLASH_MULTIPLE).stake_at_risk, u64::MAX - u64::MAX % SLASH_MULTIPLE);
    refused(Job::stake_at_risk(u64::MAX / SLASH_MULTIPLE + 1), EscrowError::MathOverflow);
    refused(provider(u64::MAX).add_stake(1), EscrowError::MathOverflow);
    refused(provider(MIN_STAKE).add_stake(0), EscrowError::AmountZero);
}

#[test]
fn submit_and_refund_are_never_both_possible() {
    let job = job(1_000);
    for now in [i64::MIN, NOW - 1, NOW, NOW + JOB_TIMEOUT - 1, NOW + JOB_TIMEOUT, i64::MAX] {
        let submit = job.require_submittable(&delivery(64, 1, None), 0, now).is_ok();
        assert_ne!(submit, job.require_refundable(now).is_ok(), "at {now}");
    }
    refused(job.require_refundable(NOW + JOB_TIMEOUT - 1), EscrowError::TimeoutNotReached);
    refused(job.require_submittable(&delivery(64, 1, None), 0, NOW + JOB_TIMEOUT), EscrowError::DeadlinePassed);
}

#[test]
fn reject_and_claim_are_never_both_possible() {
    let mut job = job(1_000);
    job.submit(&delivery(64, 1, None), NOW);
    for now in [i64::MIN, NOW, NOW + CONFIRM_WINDOW - 1, NOW + CONFIRM_WINDOW, i64::MAX] {
        assert_ne!(job.require_rejectable(now).is_ok(), job.require_claimable(now).is_ok(), "at {now}");
    }
    refused(job.require_claimable(NOW + CONFIRM_WINDOW - 1), EscrowError::ConfirmWindowOpen);
    refused(job.require_rejectable(NOW + CONFIRM_WINDOW), EscrowError::ConfirmWindowClosed);
    refused(job.require_refundable(i64::MAX), EscrowError::InvalidStatus);
    refused(job.require_submittable(&delivery(64, 1, None), 0, NOW), EscrowError::InvalidStatus);
}

#[test]
fn an_open_job_pays_and_rejects_nothing() {
    refused(job(1).require_claimable(i64::MAX), EscrowError::InvalidStatus);
    refused(job(1).require_rejectable(NOW), EscrowError::InvalidStatus);
    refused(job(1).require_status(JobStatus::Submitted), EscrowError::InvalidStatus);
}

#[test]
fn what_can_be_submitted() {
    let job = job(1_000);
    let check = |delivery: Delivery| job.require_submittable(&delivery, 0, NOW);
    check(delivery(1, 0, None)).unwrap();
    check(delivery(10, 2, Some(10))).unwrap();
    check(delivery(0, 2, Some(0))).unwrap();
    refused(check(delivery(65, 0, None)), EscrowError::TooManyTokens);
    refused(check(delivery(63, 1, None)), EscrowError::InvalidFinish);
    refused(check(delivery(10, 255, None)), EscrowError::InvalidFinish);
    refused(check(delivery(10, 2, None)), EscrowError::CancelMismatch);
    refused(check(delivery(10, 0, Some(10))), EscrowError::CancelMismatch);
    refused(check(delivery(10, 2, Some(11))), EscrowError::CancelMismatch);
    refused(job.require_submittable(&delivery(1, 0, None), 1, NOW), EscrowError::JobReplaced);
}

#[test]
fn the_length_of_the_answer_decides_what_is_paid() {
    let mut job = job(1_000_000);
    job.submit(&delivery(60, 2, Some(10)), NOW);
    assert_eq!(job.paid_count, 42);
    assert_eq!(job.payout(), (23u64 * 5 + 42 * 7).div_ceil(1000));
}
