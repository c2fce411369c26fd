//! What is promised of views, on whatever is shown.
#![expect(clippy::arithmetic_side_effects, reason = "what tests count is small")]

#[cfg(test)]
mod table;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod views;
