//! The service processes of a system.

use std::sync::{Arc, Mutex};

use crate::health::Member;
use crate::process::Process;

/// The service processes of a system, in the order in which they were described. All clones see
/// processes that are added later.
#[derive(Clone, Default)]
pub struct Members(Arc<Mutex<Vec<Named>>>);

struct Named {
    name: String,
    member: Member,
}

impl Members {
    /// The processes that were ever started.
    pub fn processes(&self) -> Vec<Arc<Process>> {
        let started = self.started().into_iter();
        started.map(|member| member.process).collect()
    }

    /// All processes, started or not.
    pub(super) fn all(&self) -> Vec<Arc<Process>> {
        let process = |named: &Named| named.member.process.clone();
        self.with(|members| members.iter().map(process).collect())
    }

    pub(super) fn started(&self) -> Vec<Member> {
        self.with(|members| {
            let members = members.iter().map(|named| &named.member);
            let started = members.filter(|member| member.process.pid() != 0);
            started.cloned().collect()
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<Member> {
        self.with(|members| {
            let found = members.iter().find(|named| named.name == name);
            found.map(|named| named.member.clone())
        })
    }

    pub(super) fn push(&self, name: String, member: Member) {
        self.with(|members| members.push(Named { name, member }));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Named>) -> T) -> T {
        work(&mut crate::locked(&self.0))
    }
}
