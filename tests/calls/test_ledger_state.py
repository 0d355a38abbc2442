"""Any history of operations leaves both ledgers as a dictionary would be."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ledger_support import answer, failure, key

from rowsight.calls.budget import Amounts, Budget
from rowsight.calls.ledger import Answered, Granted, Held, MemoryLedger, OverBudget, SqliteLedger
from rowsight.calls.ledger.admin import LedgerAdmin

KEYS = [key(i) for i in range(5)]
RUNS = ["first", "second"]
keys, runs = st.sampled_from(KEYS), st.sampled_from(RUNS)
amounts = st.builds(Amounts, st.integers(0, 3), st.integers(0, 200), st.integers(0, 90))
NOTHING = Amounts()


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name)
        self.sqlite, self.memory = SqliteLedger.open(self.path), MemoryLedger()
        self.answers, self.failures, self.intents = {}, {}, {}
        self.caps = {}
        self.spent = dict.fromkeys(RUNS, NOTHING)
        self.attempts = []

    def both(self, name, *args):
        """Do the same to both ledgers and return their one result."""

        async def one(ledger):
            return await getattr(ledger, name)(*args)

        results = [self.loop.run_until_complete(one(ledger)) for ledger in (self.sqlite, self.memory)]
        assert results[0] == results[1]
        return results[0]

    def each(self, name, *args):
        for ledger in (self.sqlite, self.memory):
            self.loop.run_until_complete(getattr(ledger, name)(*args))

    def reserved(self, run):
        return sum((held for r, held in self.intents.values() if r == run), NOTHING)

    def fits(self, run, more):
        budget = self.caps[run]
        used = self.spent[run] + self.reserved(run) + more
        return budget is None or budget.part(used) <= budget.limit

    @initialize(
        caps=st.tuples(*[st.none() | st.builds(Budget, st.sampled_from(["calls", "tokens"]), st.integers(0, 300))] * 2)
    )
    def begin(self, caps):
        for run, cap in zip(RUNS, caps, strict=True):
            self.each("begin_run", run, {"run": run}, cap)
            self.caps[run] = cap

    @rule(run=runs, key=keys, reserve=amounts)
    def claim(self, run, key, reserve):
        claim = self.both("claim", run, key, reserve)
        if key in self.answers:
            assert claim == Answered(self.answers[key])
        elif key in self.intents:
            assert claim == Held()
        elif not self.fits(run, reserve):
            assert isinstance(claim, OverBudget)
        else:
            assert claim == Granted()
            self.intents[key] = run, reserve

    @rule(run=runs, key=keys, reserve=amounts, spent=st.none() | amounts)
    def reserve_again(self, run, key, reserve, spent):
        if key not in self.intents:
            return
        run, held = self.intents[key]
        known = held if spent is None else spent
        granted = self.both("reserve_again", run, key, reserve, spent)
        assert granted == self.fits(run, known - held + reserve)
        if granted:
            self.intents[key] = run, known + reserve

    @rule(run=runs, key=keys, spent=amounts, words=st.text(max_size=3), fails=st.booleans())
    def settle(self, run, key, spent, words, fails):
        outcome = failure() if fails else answer(words)
        held = self.both("settle", run, key, outcome, spent)
        if key in self.intents:
            run, _ = self.intents.pop(key)
            self.spent[run] += spent
        if key not in self.answers and not fails:
            self.answers[key] = outcome
            self.failures.pop(key, None)
        elif key not in self.answers:
            self.failures[key] = self.failures.get(key, 0) + 1
        assert held == self.answers.get(key, outcome)

    @rule(run=runs, key=keys)
    def release(self, run, key):
        self.each("release", run, key)
        self.intents.pop(key, None)

    @rule(run=runs)
    def end_and_resume(self, run):
        self.each("end_run", run, "interrupted", {})
        self.forfeit(lambda r: r == run)
        self.each("resume", run)

    @rule()
    def reopen(self):
        self.sqlite.close()
        self.memory.close()
        self.sqlite = SqliteLedger.open(self.path)
        self.forfeit(lambda _: True)

    def forfeit(self, which):
        for asked, (run, held) in list(self.intents.items()):
            if which(run):
                self.spent[run] += held
                del self.intents[asked]

    @rule(run=runs)
    def attempt(self, run):
        if run not in self.attempts:
            self.attempts.append(run)
        assert self.both("next_attempt", run, b"subject") == self.attempts.index(run) + 1

    @invariant()
    def agrees(self):
        if not self.caps:
            return
        assert self.both("lookup", KEYS) == self.answers
        found = {k: r.failures for k, r in self.both("provenance", KEYS).items() if r.failures}
        assert found == self.failures
        for run in RUNS:
            account = self.both("account", run)
            assert (account.spent, account.reserved) == (self.spent[run], self.reserved(run))

    def teardown(self):
        self.sqlite.close()
        self.loop.close()
        assert LedgerAdmin(self.path).verify()["ok"]
        self.directory.cleanup()


LedgerMachine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # every step waits for the disk: shrinking takes minutes
)
TestLedgers = LedgerMachine.TestCase
