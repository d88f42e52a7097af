"""The menu: one task per verb. Each opens a world, walks a table of stages, prints a report and exits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from invoke import Collection

from pipeline import verbs
from pipeline.model.errors import UsageFault
from pipeline.verbs import Option, Options, offered

if TYPE_CHECKING:
    from pipeline.engine.runs import RunFolder
    from pipeline.world import World

OPTIONS = {
    "app": Option(
        "folder with an Xcode project, or an app of config/pipeline.yaml [the only one there, else the sample]"
    ),
    "config": Option("configuration file [config/pipeline.yaml, or $PIPELINE_CONFIG]"),
    "runs": Option("folder of the runs [.runs, or $PIPELINE_RUNS]"),
    "dry_run": Option("rehearse: Apple is not changed; needs no credentials, no Xcode, no network", default=False),
    "lane": Option("only this lane: ios, macos, … (repeatable)", default=()),
    "project": Option("the .xcodeproj to release where there are several, relative to the app"),
    "configuration": Option("build configuration [Production, else Release]"),
    "ipa": Option("judge and upload this .ipa instead of building one"),
    "pkg": Option("judge and upload this .pkg instead of building one"),
    "archive": Option(
        "export this .xcarchive instead of building one; LANE=PATH where it is not plain (repeatable)", default=()
    ),
    "scenario": Option("what the simulated Apple does: a name of `simulator --list`, or a YAML file"),
    "until": Option("walk the table only up to this stage: preflight, signing, …, export, …"),
    "approved": Option("the run, or its folder, whose plan was approved"),
    "report": Option(
        "write a report, FORMAT=PATH: terminal, markdown, annotations, json, sarif, junit, html (repeatable)",
        default=(),
    ),
    "json": Option("print the JSON report instead of the one for people", default=False),
    "verbose": Option("log requests and tools to log.jsonl in the run's folder; live runs always do", default=False),
    "quiet": Option("print no progress, only the report", default=False),
    "file": Option(
        "a file or folder with certificates, keys, profiles or signed code, judged instead of this machine's keychain"
        " (repeatable)",
        default=(),
    ),
    "vault": Option("the team's encrypted store: a folder, or the address of a git repository [signing.vault]"),
    "within": Option("days before its end from which something counts as expiring [signing.expires_within, else 30]"),
    "kind": Option("kind of certificate to make, such as DISTRIBUTION (repeatable) [what the lanes need]", default=()),
    "revoke": Option("revoke at Apple what was replaced", default=False),
    "key": Option("a build setting, in which * stands for anything; '*' shows all (repeatable)", default=()),
    "target": Option("a target, in which * stands for anything (repeatable) [the lane's own]", default=()),
    "artifact": Option("an .ipa, .pkg, .xcarchive or .app", default=()),
    "rule": Option("a rule, or a code of Apple's such as ITMS-90717 (repeatable) [all rules]", default=()),
    "text": Option("what Apple answered, or a file that holds it, such as a log; - reads standard input"),
    "run": Option("a run: its name, its beginning or its end [the newest]"),
    "digest": Option("approve only the plan whose digest begins so: the one that was read elsewhere"),
    "by": Option("who approves [$GITHUB_ACTOR, else git's user.name]"),
    "yes": Option("approve without asking", default=False),
    "out": Option("file for the private key [~/.config/pipeline/vault.key]"),
    "force": Option("write over what is there", default=False),
    "host": Option("address to listen on", default="127.0.0.1"),
    "port": Option("port to listen on; 0 takes a free one", default="8787"),
    "state": Option("folder of the simulated Apple's state [a new one, removed at the end]"),
    "list": Option("list the scenarios and stop", default=False),
}

APP = ("app", "config", "runs")
LANES = ("lane", "project", "configuration")
ARTIFACTS = ("ipa", "pkg", "archive")
REPORTS = ("report", "json", "quiet")
PLAYED = (*APP, *LANES, *ARTIFACTS, "scenario", "verbose", *REPORTS)


verb = partial(verbs.verb, OPTIONS)


def named(arguments: Sequence[str]) -> list[str]:
    """The arguments with an option's name before words that stand right behind their task: `status 3f2a`.

    Invoke knows no argument that has a place and may be left out, or be given more than once.
    """
    told: list[str] = []
    known = namespace.task_names
    # Not from Task.get_arguments, which gives each help text away only once.
    taking = {task: name for task in known for name in PLACED if name in offered(namespace[task])}
    option = ""
    for word in arguments:
        if word in known:
            option = taking.get(word, "")
        elif word.startswith("-"):
            option = ""
        elif option:
            told.append(f"--{option}")
            # Where one is meant, a second word is invoke's to refuse.
            option = option if isinstance(OPTIONS[option].default, tuple) else ""
        told.append(word)
    return told


PLACED = ("run", "rule", "artifact")
"""Options whose value may stand right behind the task."""


def _world(options: Options, table: str, *, dry_run: bool) -> World:
    from pipeline.wishes import Wishes
    from pipeline.world import open_world, runs_folder

    wished = {name: value for name, value in options.items() if name in Wishes.__dataclass_fields__}
    return open_world(
        Wishes(table=table, lanes=options.get("lane", ()), **wished), dry_run=dry_run, runs=runs_folder(options["runs"])
    )


def _folder(options: Options, meant: Callable[[RunFolder], bool] | None = None) -> RunFolder:
    """The run that is named, else the newest that can be meant, else the newest."""
    from pipeline.engine.runs import find, runs_in
    from pipeline.world import runs_folder

    runs = runs_folder(options["runs"])
    if meant and not options["run"]:
        for folder in runs_in(runs):
            if meant(folder):
                return folder
    return find(runs, options["run"])


def _has_plan(folder: RunFolder) -> bool:
    return (folder.path / "plan.json").is_file()


def _changes(folder: RunFolder) -> bool:
    from pipeline.records import changes

    return changes(folder)


# Releases ------------------------------------------------------------------------------------------------------------


@verb("dry_run", *PLAYED, "approved", "until")
def release(options: Options) -> int:
    """Release an app; with --dry-run, rehearse it.

    All blockers are found in one run; each says where, why and what to do.

      release --dry-run                        the sample app, rehearsed
      release --dry-run --app ~/src/MyApp      yours, with nothing configured
      release --dry-run --app . --ipa My.ipa   judge what was built
      release --app myapp --approved RUN       for real, exactly as approved

    Exit codes: 0 clean, 1 findings that block, 2 usage, 3 refused (lease or
    approval), 4 Apple's failure, 5 internal, 130 stopped by Ctrl-C or SIGTERM.
    """
    from pipeline import play

    return play.table(_world(options, "release", dry_run=options["dry_run"]), options)


@verb(*PLAYED)
def plan(options: Options) -> int:
    """Rehearse a release and keep its plan for approval.

    plan --app myapp     then: approve, and: release --app myapp --approved RUN
    """
    from pipeline import play

    return play.table(_world(options, "release", dry_run=True), options)


@verb("run", "runs", "by", "digest", "yes")
def approve(options: Options) -> int:
    """Approve a plan: a live release performs nothing else.

    approve                         the newest plan, after showing it
    approve --run 3f2a --by Ann     a run by the end of its name
    """
    from pipeline import records

    return records.approve(_folder(options, _has_plan), options["by"], options["digest"], yes=options["yes"])


@verb("run", "runs", "report", "json")
def status(options: Options) -> int:
    """Where a run stands, what stops it, and what comes next.

    status                      the newest run
    status --run 3f2a --json
    """
    from pipeline import records

    return records.status(_folder(options), options)


@verb("run", "runs", *REPORTS)
def resume(options: Options) -> int:
    """Go on with a run that was stopped or blocked.

    The world is looked at again; what is done already is not done twice.

      resume                  the newest run that changes something
      resume --run 3f2a       a run by the end of its name
    """
    from pipeline import play
    from pipeline.world import reopen, runs_folder

    return play.resume(reopen(_folder(options, _changes), runs_folder(options["runs"])), options)


@verb("app", "config", "force")
def init(options: Options) -> int:
    """Write config/pipeline.yaml as an app's project says.

    init --app ~/src/MyApp
    """
    from pipeline import survey
    from pipeline.wishes import Wishes

    return survey.init(Wishes(app=options["app"]), options["config"], force=options["force"])


@verb("dry_run", *APP, *LANES, *ARTIFACTS, "scenario", *REPORTS)
def doctor(options: Options) -> int:
    """What is missing for a live release, and how to get it.

    It looks at the machine, the checkout, signing, credentials, CloudKit, the
    app and its group at App Store Connect, and changes nothing. With --dry-run
    Apple and Xcode are simulated.

      doctor --app myapp
      doctor --app myapp --ipa My.ipa    what the upload of a finished build needs
    """
    from pipeline import play

    return play.doctor(_world(options, "doctor", dry_run=options["dry_run"]), options)


@verb("host", "port", "scenario", "state", "list")
def simulator(options: Options) -> int:
    """Serve the simulated Apple to any HTTP client here.

    simulator --port 8787                       then: curl http://127.0.0.1:8787/
    simulator --scenario flaky --state ./apple  with faults, remembered
    """
    from pipeline.simulator.faults import ScenarioFault
    from pipeline.simulator.serving import serve_here

    port = options["port"]
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 0x10000):
        raise UsageFault(
            f"--port {port!r} is no port",
            why="a port is a number from 0 to 65535",
            remedy="leave the option out, or take 0 for a free port",
        )
    try:
        return serve_here(
            options["host"], int(port), options["scenario"], options["state"], listed_only=options["list"]
        )
    except ScenarioFault as fault:
        raise UsageFault(str(fault), remedy="`simulator --list` shows the scenarios") from fault


# Runs ----------------------------------------------------------------------------------------------------------------


@verb("runs", "json")
def runs_list(options: Options) -> int:
    """List the runs, newest first."""
    from pipeline import records
    from pipeline.engine.runs import runs_in
    from pipeline.world import runs_folder

    where = runs_folder(options["runs"])
    return records.runs_list(runs_in(where), where, json=options["json"])


@verb("run", "runs", *REPORTS)
def runs_show(options: Options) -> int:
    """Show a run's report, in any format.

    runs.show                                the newest run
    runs.show --run 3f2a --report html=run.html
    """
    from pipeline import records

    return records.show(_folder(options), options)


# Rooms ---------------------------------------------------------------------------------------------------------------


@verb("dry_run", "file", "within", *APP, *LANES, "scenario", *REPORTS)
def certs_check(options: Options) -> int:
    """Can the app be signed for the App Store?

    It judges this Mac's keychain and profiles, on a runner without them the
    signing secrets of the environment, or the files that are given.

      certs.check --app ~/src/MyApp
      certs.check --app ~/src/MyApp --file ~/Downloads/signing    on any machine
    """
    from pipeline import play

    return play.table(_world(options, "certs", dry_run=options["dry_run"]), options)


@verb("dry_run", "file", "vault", "within", *APP, "scenario", *REPORTS)
def certs_table(options: Options) -> int:
    """Every certificate and profile, and the days left.

    It looks into the keychain, both profile folders, --file, the environment's
    secrets, the vault and App Store Connect, as far as they are there, and
    changes nothing. It ends with 1 when something in use is about to expire.

      certs.table                               what this machine has
      certs.table --file ~/certs --within 60    a folder of files, on any machine
      certs.table --json                        for a script, nightly
    """
    from pipeline import play

    return play.table(_world(options, "holdings", dry_run=options["dry_run"]), options)


@verb("dry_run", "file", "vault", *APP, "scenario", "verbose", *REPORTS)
def certs_install(options: Options) -> int:
    """Install identities and profiles on this Mac.

    Identities go into a keychain of their own. The material comes from --file, else from the environment
    (SIGNING_CERTIFICATES, SIGNING_CERTIFICATES_PASSWORD, SIGNING_PROFILES), else
    from the vault. `certs.uninstall` takes everything away again.

      certs.install --dry-run            rehearse it, on any machine
      certs.install                      a step of a job on a Mac
      certs.install --file dist.p12      a file; its password in the environment
    """
    from pipeline import play

    return play.table(_world(options, "install", dry_run=options["dry_run"]), options)


@verb("dry_run", *APP, "scenario", "verbose", *REPORTS)
def certs_uninstall(options: Options) -> int:
    """Take away what `certs.install` installed.

    The keychain search list is left without our keychains, as it was before.

      certs.uninstall      a step that always runs, also after a failure
    """
    from pipeline import play

    return play.table(_world(options, "uninstall", dry_run=options["dry_run"]), options)


@verb("dry_run", "kind", "vault", "approved", *APP, *LANES, "scenario", "verbose", *REPORTS)
def certs_create(options: Options) -> int:
    """Make the certificates and profiles that an app lacks.

    Keys are made here and kept in the vault, encrypted; certificates and
    profiles are made through App Store Connect. Nothing is made twice.

      certs.create --dry-run --app myapp        what would be made
      certs.create --app myapp --approved RUN   make it, exactly as approved
    """
    from pipeline import play

    return play.table(_world(options, "create", dry_run=options["dry_run"]), options)


@verb("dry_run", "kind", "within", "revoke", "vault", "approved", *APP, *LANES, "scenario", "verbose", *REPORTS)
def certs_renew(options: Options) -> int:
    """Replace the certificates and profiles that expire soon.

    What was replaced is revoked only with --revoke.

      certs.renew --dry-run --app myapp --within 60
      certs.renew --app myapp --approved RUN
    """
    from pipeline import play

    return play.table(_world(options, "renew", dry_run=options["dry_run"]), options)


@verb("dry_run", "file", "vault", *APP, "scenario", "verbose", *REPORTS)
def certs_sync(options: Options) -> int:
    """Bring the team's vault up to date, and show what it holds.

    Files that are given are put into it, encrypted for the recipients that
    `signing: {recipients: …}` names in config/; when those change, everything is
    encrypted anew. Two people may do so at once.

      certs.sync --vault ~/team-vault                what it holds, who wrote what
      certs.sync --vault git@host:team/vault.git --file dist.p12
    """
    from pipeline import play

    return play.table(_world(options, "sync", dry_run=options["dry_run"]), options)


@verb("dry_run", *APP, *LANES, "scenario", *REPORTS)
def schema_check(options: Options) -> int:
    """Compare the CloudKit schema with production's."""
    from pipeline import play

    return play.table(_world(options, "schema", dry_run=options["dry_run"]), options)


@verb(*APP, *LANES, *REPORTS)
def build_check(options: Options) -> int:
    """Judge the Xcode project, before anything is built."""
    from pipeline import play

    return play.table(_world(options, "build", dry_run=False), options)


@verb("artifact", *APP, *LANES, "ipa", "pkg", *REPORTS)
def build_validate(options: Options) -> int:
    """Judge a finished .ipa, .pkg, .app or .xcarchive.

    Alone it is judged by itself; with --app also against the project.

      build.validate My.ipa
      build.validate --ipa My.ipa --app ~/src/MyApp
    """
    from pipeline import play

    if len(options["artifact"]) > 1 or (options["artifact"] and (options["app"] or options["ipa"] or options["pkg"])):
        raise UsageFault(
            "one product is judged at a time, and one that is named by itself is judged alone",
            remedy="give it with --ipa or --pkg to have it compared with the project of --app",
        )
    return play.table(_world(options, "bundle", dry_run=False), options)


@verb("key", "target", *APP, *LANES, *REPORTS)
def build_settings(options: Options) -> int:
    """Build settings as Xcode resolves them, with their places.

    build.settings --app ~/src/MyApp                   what decides a release
    build.settings --key '*' --lane ios                all of them
    build.settings --key 'CODE_SIGN*' --target '*'     of every target
    """
    from pipeline import play

    return play.table(_world(options, "settings", dry_run=True), options)


@verb("artifact", "runs", *REPORTS)
def build_diff(options: Options) -> int:
    """What changed between two builds.

    Of two .ipa, .pkg, .xcarchive or .app: Info.plist, entitlements, profiles,
    frameworks, code, privacy manifests, sizes and signers.

      build.diff 250.ipa 251.ipa
      build.diff 250.ipa 251.ipa --report markdown=changes.md
    """
    from pipeline import play

    if len(options["artifact"]) != 2:
        raise UsageFault(
            f"two artifacts are compared, and {len(options['artifact'])} named",
            remedy="name the older one, then the newer one: `build.diff 250.ipa 251.ipa`",
        )
    return play.table(_world(options, "diff", dry_run=False), options)


@verb("rule", "text", "json")
def build_explain(options: Options) -> int:
    """What a rule means, or an answer of Apple's.

    build.explain PROJ051                   a rule's page
    build.explain ITMS-90717 90189          the rules that find it beforehand
    build.explain --text - < upload.log     the same for what a log holds
    """
    from pipeline import explaining

    return explaining.explain(options)


@verb("dry_run", *APP, *LANES, "scenario", "verbose", *REPORTS)
def build_archive(options: Options) -> int:
    """Build the app and keep its archive; needs a Mac.

    build.archive --app myapp --dry-run     what would be done, on any machine
    """
    from pipeline import play

    return play.table(_world(options, "archive", dry_run=options["dry_run"]), options)


@verb("dry_run", *APP, *LANES, "archive", "scenario", "verbose", *REPORTS)
def build_export(options: Options) -> int:
    """Make and judge the .ipa or .pkg; needs a Mac.

    build.export --app myapp                          from a new archive
    build.export --app myapp --archive My.xcarchive   from one that is there
    """
    from pipeline import play

    return play.table(_world(options, "export", dry_run=options["dry_run"]), options)


@verb("dry_run", *APP, *LANES, "ipa", "pkg", "scenario", *REPORTS)
def upload_check(options: Options) -> int:
    """Would App Store Connect take this version and build?"""
    from pipeline import play

    return play.table(_world(options, "upload", dry_run=options["dry_run"]), options)


@verb("dry_run", *APP, *LANES, "scenario", *REPORTS)
def beta_check(options: Options) -> int:
    """Is the TestFlight group there that a release reaches?"""
    from pipeline import play

    return play.table(_world(options, "beta", dry_run=options["dry_run"]), options)


@verb("out", "force")
def certs_key(options: Options) -> int:
    """Make a key that opens the vault.

    The private key goes into a file that only you can read; the public key is
    shown, for `signing: {recipients: …}` in config/.

      certs.key
      certs.key --out runner.key     for a secret of the runner
    """
    from pipeline import keymaking

    return keymaking.make(options["out"], force=options["force"])


def _namespace() -> Collection:
    menu = Collection("pipeline", release, plan, approve, status, resume, init, doctor, simulator)
    for name, rooms in {
        "runs": {"list": runs_list, "show": runs_show},
        "certs": {
            "check": certs_check,
            "table": certs_table,
            "install": certs_install,
            "uninstall": certs_uninstall,
            "create": certs_create,
            "renew": certs_renew,
            "sync": certs_sync,
            "key": certs_key,
        },
        "schema": {"check": schema_check},
        "build": {
            "check": build_check,
            "validate": build_validate,
            "settings": build_settings,
            "diff": build_diff,
            "explain": build_explain,
            "archive": build_archive,
            "export": build_export,
        },
        "upload": {"check": upload_check},
        "beta": {"check": beta_check},
    }.items():
        room = Collection(name)
        for verb_name, each in rooms.items():
            room.add_task(each, name=verb_name)
        menu.add_collection(room)
    return menu


namespace = _namespace()
