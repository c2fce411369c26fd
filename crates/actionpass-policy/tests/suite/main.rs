//! Public behaviour of the policy engine.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod guarantees;
#[cfg(test)]
mod matchers;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod starter;
#[cfg(test)]
mod strategies;
#[cfg(test)]
mod warnings;
#[cfg(test)]
mod work;
#[cfg(test)]
mod world;
