//! Why an instruction was refused. New errors are appended: the numbers are part of the interface.

use anchor_lang::prelude::*;

#[error_code]
#[derive(PartialEq, Eq)]
pub enum EscrowError {
    #[msg("The provider's free stake does not cover this")]
    StakeTooLow,
    #[msg("This stake is locked by submitted jobs or open channels")]
    StakeLocked,
    #[msg("The amount must not be zero")]
    AmountZero,
    #[msg("The amount is not the price of the offer's prompt and answer tokens")]
    AmountMismatch,
    #[msg("The numbers are too large to calculate with")]
    MathOverflow,
    #[msg("An account would be left in a state that its rules forbid")]
    InvariantViolated,
    #[msg("This account has no right to do this")]
    Unauthorized,
    #[msg("The account is not in the state that this needs")]
    InvalidStatus,
    #[msg("An ed25519 instruction must come directly before this one")]
    MissingEd25519Instruction,
    #[msg("The ed25519 instruction must hold exactly the expected signatures, each with its own key and message")]
    MalformedEd25519Instruction,
    #[msg("The signature is not by the expected key")]
    SignerMismatch,
    #[msg("What was signed is not the expected message")]
    MessageMismatch,
    #[msg("This is not an offer of version 1")]
    MalformedOffer,
    #[msg("The offer is for another kind of payment, another account or other nodes")]
    OfferMismatch,
    #[msg("The offer has expired")]
    OfferExpired,
    #[msg("The time for the delivery must be 60 to 86,400 seconds")]
    InvalidDeliverWithin,
    #[msg("The provider's account holds another node than the one named")]
    PeerMismatch,
    #[msg("The provider can still submit the job")]
    DeliveryPending,
    #[msg("The time in which the job could be submitted is over")]
    DeadlinePassed,
    #[msg("This is not a head of version 1")]
    MalformedHead,
    #[msg("The head is of another job")]
    HeadMismatch,
    #[msg("The answer has more tokens than the job allows")]
    TooManyTokens,
    #[msg("The prompt has more tokens than the offer covers")]
    PromptTooLong,
    #[msg("The answer cannot end this way: not final, a score job's ending, or a stop that nobody signed")]
    InvalidFinish,
    #[msg("This is not an acknowledgement of version 1")]
    MalformedAck,
    #[msg("The acknowledgement is for another job or channel")]
    AckMismatch,
    #[msg("The acknowledgement names more tokens than the answer has")]
    AckBeyondAnswer,
    #[msg("The acknowledged totals are above the deposit")]
    AckBeyondDeposit,
    #[msg("The acknowledged totals are below those that the channel has")]
    AckStale,
    #[msg("Closing at once needs an acknowledgement without objection: stop 2")]
    ObjectionPossible,
    #[msg("The client can still object")]
    CheckWindowOpen,
    #[msg("The client's time to object is over")]
    CheckWindowClosed,
    #[msg("These are not channel terms of version 1")]
    MalformedTerms,
    #[msg("The terms are for another program, payer, authority or chain")]
    TermsMismatch,
    #[msg("The terms have expired")]
    TermsExpired,
    #[msg("The terms stay valid too long")]
    TermsTooLong,
    #[msg("The terms are still valid: a channel that is closed now could be opened again with them")]
    TermsStillValid,
    #[msg("The payer's time to object has not ended")]
    CloseWindowOpen,
    #[msg("The payer's time to object is over")]
    CloseWindowClosed,
    #[msg("The evidence's channel still exists")]
    ChannelExists,
    #[msg("Give either a job, or an evidence with its channel")]
    SubjectMismatch,
    #[msg("This answer cannot be challenged: mode none, or a score job of more than 16,384 tokens")]
    NotChallengeable,
    #[msg("A challenge names one to three different positions among the answer's tokens")]
    InvalidPositions,
    #[msg("This answer was challenged before")]
    AlreadyChallenged,
    #[msg("The channel had its three challenges")]
    TooManyChallenges,
    #[msg("A challenge is open")]
    ChallengeOpen,
    #[msg("No challenge is open at this position")]
    PositionNotOpen,
    #[msg("The challenge is not due yet, or none is open")]
    ChallengeNotDue,
    #[msg("The audit path is too long")]
    PathTooLong,
    #[msg("The step is not under the root at this index")]
    RootMismatch,
    #[msg("The step does not show its candidates")]
    CandidatesMissing,
    #[msg("The token does not follow from the seed and the committed candidates")]
    TokenMismatch,
    #[msg("The token follows from the seed and the committed candidates: no fraud")]
    TokenFollows,
    #[msg("No program can judge this answer's draws: its offer has extra settings, or its mode hides or has none")]
    DrawsNotJudgeable,
    #[msg("Both heads can be honest: no equivocation")]
    HeadsAgree,
}
