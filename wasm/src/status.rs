//! What a call across the border answers.

/// Why an operation was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Fault {
    UnknownOperation = 1,
    OutOfMemory = 2,
    BadArguments = 3,
    WorkerLost = 4,
}

/// Outcome of an operation.
pub type Outcome = Result<(), Fault>;

/// The number that stands for an outcome outside.
pub fn code(outcome: Outcome) -> u32 {
    outcome.map_or_else(|fault| fault as u32, |()| 0)
}
