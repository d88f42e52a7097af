"""What counts as a use, and above all what does not."""

from __future__ import annotations

import pytest

from pipeline.apple.sources.conditions import Conditions
from pipeline.apple.sources.facts import Topic, Use
from pipeline.apple.sources.scanning import MOST_PLACES, Module, Scan, imported, lexed
from pipeline.apple.sources.signs import MARKER
from pipeline.apple.sources.symbols import SIGNS, by_trigger, triggers
from pipeline.model import Platform


def uses(text: str, path: str = "A.swift", platform: Platform = Platform.IOS) -> list[Use]:
    scan = Scan(platform.value)
    data = text.encode()
    module = Module("App", (path,), Conditions(platform))
    scan.search(path, lexed(path, data), scan.signs(scan.words(data), module), module)
    return scan.uses


_UNNAMED = (Topic.FIELD, Topic.RECORD_TYPE, Topic.OPENED)


def names(text: str, path: str = "A.swift", platform: Platform = Platform.IOS) -> set[str]:
    return {use.name for use in uses(text, path, platform) if use.topic not in _UNNAMED}


KIT = "import EventKit\nimport CoreLocation\nimport HealthKit\nimport Contacts\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AVCaptureDevice.requestAccess(for: .video) { _ in }", "NSCameraUsageDescription"),
        ("let p = UIImagePickerController()\np.sourceType = .camera", "NSCameraUsageDescription"),
        ("AVAudioSession.sharedInstance().requestRecordPermission { _ in }", "NSMicrophoneUsageDescription"),
        ("await PHPhotoLibrary.requestAuthorization(for: .readWrite)", "NSPhotoLibraryUsageDescription"),
        ("PHPhotoLibrary.requestAuthorization { _ in }", "NSPhotoLibraryUsageDescription"),
        ("await PHPhotoLibrary.requestAuthorization(for: .addOnly)", "NSPhotoLibraryAddUsageDescription"),
        ("UIImageWriteToSavedPhotosAlbum(image, nil, nil, nil)", "NSPhotoLibraryAddUsageDescription"),
        (KIT + "store.requestAccess(for: .contacts) { _, _ in }", "NSContactsUsageDescription"),
        (KIT + "try await store.requestFullAccessToEvents()", "NSCalendarsFullAccessUsageDescription"),
        (KIT + "store.requestAccess(to: .reminder) { _, _ in }", "NSRemindersUsageDescription"),
        (KIT + "manager.requestWhenInUseAuthorization()", "NSLocationWhenInUseUsageDescription"),
        ("let c = CBCentralManager(delegate: self, queue: nil)", "NSBluetoothAlwaysUsageDescription"),
        ("SFSpeechRecognizer.requestAuthorization { _ in }", "NSSpeechRecognitionUsageDescription"),
        (
            "context.evaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, localizedReason: r) { _, _ in }",
            "NSFaceIDUsageDescription",
        ),
        (KIT + "store.requestAuthorization(toShare: [], read: types) { _, _ in }", "NSHealthShareUsageDescription"),
        (KIT + "store.requestAuthorization(toShare: types, read: nil)", "NSHealthUpdateUsageDescription"),
        ("ATTrackingManager.requestTrackingAuthorization { _ in }", "NSUserTrackingUsageDescription"),
        ("UserDefaults.standard.set(1, forKey: k)", "NSPrivacyAccessedAPICategoryUserDefaults"),
        ("try fm.attributesOfItem(atPath: p)[.modificationDate]", "NSPrivacyAccessedAPICategoryFileTimestamp"),
        ("ProcessInfo.processInfo.systemUptime", "NSPrivacyAccessedAPICategorySystemBootTime"),
        ("var s = statfs()\nstatfs(path, &s)", "NSPrivacyAccessedAPICategoryDiskSpace"),
        ("url.resourceValues(forKeys: [.volumeTotalCapacityKey])", "NSPrivacyAccessedAPICategoryDiskSpace"),
        ("let v: UIWebView! = nil", "UIWebView"),
        ("UIApplication.shared.registerForRemoteNotifications()", "aps-environment"),
        ('let c = CKContainer(identifier: "iCloud.com.example.app")', "iCloud.com.example.app"),
        (
            'class S { static let id = "iCloud.com.example.app"; let c = CKContainer(identifier: Self.id) }',
            "iCloud.com.example.app",
        ),
        ('UserDefaults(suiteName: "group.com.example")', "group.com.example"),
        ('let q = [kSecAttrAccessGroup as String: "AB.com.example"]', "AB.com.example"),
        ('CKRecordZone(zoneName: "Zone")', "Zone"),
        (
            'BGTaskScheduler.shared.register(forTaskWithIdentifier: "com.example.t", using: nil) { _ in }',
            "com.example.t",
        ),
        ('UTType(exportedAs: "com.example.kind")', "com.example.kind"),
        (
            KIT + "func requestAccess() {}\neventStore.requestAccess(to: .event) { _, _ in }",
            "NSCalendarsUsageDescription",
        ),
        (KIT + "EKEventStore().requestAccess(to: .reminder) { _, _ in }", "NSRemindersUsageDescription"),
        (KIT + "manager.requestAccess(to: .event) { _, _ in }", "NSCalendarsUsageDescription"),
        (
            'enum C { static let id = "iCloud.com.example.app" }\nlet c = CKContainer(identifier: C.id)',
            "iCloud.com.example.app",
        ),
        ("let a = 1\n<<<<<<< HEAD\nlet b = 1\n=======\nlet b = 2\n>>>>>>> main\n", "<<<<<<<"),
    ],
)
def test_swift_uses(text: str, name: str) -> None:
    found = [use for use in uses(text) if use.name == name]
    assert found
    assert all(use.certain for use in found)
    assert found[0].location is not None
    assert found[0].location.line == next(
        number for number, line in enumerate(text.split("\n"), 1) if (found[0].location.line == number and line)
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "[AVCaptureDevice requestAccessForMediaType:AVMediaTypeVideo completionHandler:h];",
            "NSCameraUsageDescription",
        ),
        ("[[NSUserDefaults standardUserDefaults] setBool:YES forKey:k];", "NSPrivacyAccessedAPICategoryUserDefaults"),
        ("NSDate *d = attributes[NSFileModificationDate];", "NSPrivacyAccessedAPICategoryFileTimestamp"),
        ("struct stat s; if (stat(path, &s) == 0) {}", "NSPrivacyAccessedAPICategoryFileTimestamp"),
        ("UIWebView *view = [[UIWebView alloc] init];", "UIWebView"),
        ('[CKContainer containerWithIdentifier:@"iCloud.com.example"]', "iCloud.com.example"),
        ("[[UIApplication sharedApplication] registerForRemoteNotifications];", "aps-environment"),
    ],
)
def test_objective_c_uses(text: str, name: str) -> None:
    assert name in names(text, "A.m")


@pytest.mark.parametrize(
    "text",
    [
        "// AVCaptureDevice.requestAccess(for: .video)",
        '"AVCaptureDevice.requestAccess(for: .video)"',
        "#if DEBUG\nAVCaptureDevice.requestAccess(for: .video) { _ in }\n#endif",
        "#if os(macOS)\nUserDefaults.standard.x()\n#endif",
        "#if targetEnvironment(simulator)\nUserDefaults.standard.x()\n#endif",
        "AVCaptureDevice.authorizationStatus(for: .video)",
        "let p = UIImagePickerController()\np.sourceType = .photoLibrary",
        "enum Source { case camera }\nx.sourceType = .camera",
        "PHPickerViewController(configuration: c)",
        "CNContactPickerViewController()",
        "context.canEvaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, error: &e)",
        "let d = record.modificationDate; let c = asset.creationDate",
        "items.sorted { $0[.creationDate] < $1[.creationDate] }",
        "extension UserDefaults { var a: Int { integer(forKey: k) } }",
        "func f(_ defaults: UserDefaults) {}",
        "let status = stat(of: x)",
        "self.stat(path, &s)",
        "struct Door { func requestAccess(for k: Kind) -> Bool { true } }\nDoor().requestAccess(for: .video)",
        "Door().requestAccess(for: .audio); Door().requestAccess(for: .contacts); door.requestAccess(to: .event)",
        "import EventKit\nfunc ask() { requestAccess(to: .event) }\nprivate func requestAccess(to type: EKEntityType) {}",
        "import EventKit\nfunc requestAccess(to t: EKEntityType) {}\nfunc ask() { calendar.requestAccess(to: .reminder) }",
        'let a = """\n<<<<<<< HEAD\n=======\n>>>>>>> main\n"""',
        "/*\n<<<<<<< HEAD\n=======\n>>>>>>> main\n*/",
        "let a = 1\n<<<<<<< HEAD\n>>>>>>> main\n=======\n",
        "manager.requestWhenInUseAuthorization()",
        "let service = WeatherService.shared",
        "center.requestAuthorization(options: [.alert])",
        "#if canImport(Foundation)\n#else\nUserDefaults.standard.x()\n#endif",
        'UserDefaults(suiteName: "com.example.other")'.replace("UserDefaults", "Defaults"),
        "coordinator.registerForRemoteNotifications()",
        'CKContainer(identifier: "\\(prefix).app")',
        'UTType(exportedAs: "utm")',
        "class MyUIWebViewReplacement {}",
    ],
)
def test_swift_is_silent(text: str) -> None:
    assert not names(text)


@pytest.mark.parametrize(
    "text",
    [
        "@class UIWebView;",
        "#if DEBUG\n[[NSUserDefaults standardUserDefaults] x];\n#endif",
        "#if 0\nUIWebView *view;\n#endif",
        "/* UIWebView *view; */",
        "object->stat(path, &s);",
        "- (void)set:(NSUserDefaults *)defaults;",
    ],
)
def test_objective_c_is_silent(text: str) -> None:
    assert not names(text, "A.m")


def test_unknown_conditions_leave_a_doubt() -> None:
    (use,) = uses("#if canImport(Camera)\nAVCaptureDevice.requestAccess(for: .video) { _ in }\n#endif")
    assert not use.certain


def test_the_platform_decides() -> None:
    assert not names("UserDefaults.standard.x()", platform=Platform.MAC_OS)
    assert not names("context.evaluatePolicy(.deviceOwnerAuthenticationWithBiometrics)", platform=Platform.MAC_OS)
    assert "com.apple.security.device.camera" in names(
        "AVCaptureDevice.requestAccess(for: .video)", platform=Platform.MAC_OS
    )


def test_places_are_bounded_and_one_line_is_told_once() -> None:
    assert len(uses("UserDefaults.standard.a(); UserDefaults.standard.b()")) == 1
    assert len(uses("UserDefaults.standard.a()\n" * 50)) == MOST_PLACES


def test_fields_of_records_whose_type_is_evident() -> None:
    text = (
        'func f() {\n  let r = CKRecord(recordType: "Note", recordID: id)\n  r["title"] = t\n  r.setValue(1, forKey: "rank")\n'
        '  r.encryptedValues["secret"] = s\n  other["no"] = 1\n  a.r["no"] = 1\n}\nfunc g(r: CKRecord) { r["no"] = 1 }\n'
    )
    found = [use.name for use in uses(text) if use.topic is Topic.FIELD]
    assert found == ["Note.title", "Note.rank", "Note.secret"]
    again = 'let r = CKRecord(recordType: "A")\nlet r = make()\nr["no"] = 1'
    assert not [use for use in uses(again) if use.topic is Topic.FIELD]


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ('let id = "iCloud.a.b"\nlet c = CKContainer(identifier: id)', Topic.CONTAINER),
        ('class S { static let id = "iCloud.a.b"; let c = CKContainer(identifier: S.id) }', Topic.CONTAINER),
        ('let c = CKContainer(identifier: name)\nlet id = "iCloud.a.b"', Topic.CONTAINER_TEXT),
        ('let c = CKContainer(identifier: configuration.id)\nlet id = "iCloud.a.b"', Topic.CONTAINER_TEXT),
        (
            'let id = "iCloud.a.b"\nlet c = CKContainer(identifier: Other.id)\nenum Other { let id = f() }',
            Topic.CONTAINER_TEXT,
        ),
    ],
)
def test_a_container_in_a_constant_is_direct_only_where_it_is_opened(text: str, topic: Topic) -> None:
    assert [use.topic for use in uses(text) if use.topic is not Topic.OPENED] == [topic]


@pytest.mark.parametrize("platform", list(Platform))
def test_the_tree_of_triggers_is_the_table(platform: Platform) -> None:
    pattern = triggers(platform.value)
    for word in by_trigger(platform.value).keys() - {MARKER}:
        assert pattern.fullmatch(word.encode())
        assert pattern.findall(f" .{word}X x{word} ".encode()) == [word.encode()]


def test_every_sign_can_be_found_by_its_trigger() -> None:
    for sign in SIGNS:
        assert any(sign.patterns) or sign.topic in (Topic.OTHERS_GROUP, Topic.CONFLICT), sign.symbol
        assert sign.name or sign.topic not in (Topic.PURPOSE, Topic.REASON, Topic.ENTITLEMENT)


def test_imports() -> None:
    scan = Scan("IOS")
    data = b"// import Nothing\n@testable import Kit\nimport struct Other.Thing\n#import <UIKit/UIKit.h>\n@import Photos;\n"
    assert {name for word in scan.words(data) if (name := imported(word))} == {
        "Nothing",
        "Kit",
        "Other",
        "UIKit",
        "Photos",
    }


@pytest.mark.parametrize(
    "text",
    [
        'let p = "\\(home)/Library/Group Containers/group.com.apple.notes/NoteStore.sqlite"',
        'let p = "~/Library/Group Containers/group.com.apple.notes"',
        'home.appendingPathComponent("Group Containers")\n  .appendingPathComponent("group.com.apple.notes")',
    ],
)
def test_paths_into_containers_of_others(text: str) -> None:
    (use,) = uses(text, platform=Platform.MAC_OS)
    assert (use.topic, use.name, use.certain) == (Topic.OTHERS_GROUP, "group.com.apple.notes", True)
    assert uses(text) == []


@pytest.mark.parametrize(
    "text",
    [
        '// "Group Containers/group.com.apple.notes"',
        '#if DEBUG\nlet p = "Group Containers/group.com.apple.notes"\n#endif',
        'let g = "group.com.apple.notes"',
        'let p = "Group Containers/group.com.example"; let q = "group.com.example"',
        'let p = "Group Containers"\n' + "x()\n" * 100 + 'let g = "group.com.apple.notes"',
    ],
)
def test_what_is_no_path_into_a_container(text: str) -> None:
    assert uses(text, platform=Platform.MAC_OS) == []


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ('if Bundle.main.bundleIdentifier == "com.example.app" {}', "=="),
        ('if Bundle.main.bundleIdentifier != "com.example.app" {}', "=="),
        ('if Bundle.main.bundleIdentifier?.contains("com.example.app") == true {}', "contains"),
        ('Bundle.main.bundleIdentifier!.hasPrefix("com.example.app")', "hasPrefix"),
        ('guard let id = Bundle.main.bundleIdentifier,\n  id.hasSuffix("com.example.app") else {}', "hasSuffix"),
    ],
)
def test_comparisons_of_the_identifier(text: str, symbol: str) -> None:
    (use,) = uses(text)
    assert (use.topic, use.name) == (Topic.COMPARED, "com.example.app")
    assert use.symbol == f"Bundle.main.bundleIdentifier {symbol}"


@pytest.mark.parametrize(
    "text",
    [
        'running.bundleIdentifier == "com.example.app"',
        'Bundle.main.bundleIdentifier?.hasSuffix(".beta")',
        'Bundle.main.bundleIdentifier?.contains("debug")',
        'Bundle.main.bundleIdentifier == "com.apple.dt.xctest.tool"',
        'Bundle.main.bundleIdentifier ?? "com.example.app"',
        'let id = Bundle.main.bundleIdentifier, other = x.contains("com.example.app")',
    ],
)
def test_what_compares_nothing_of_the_apps(text: str) -> None:
    assert uses(text) == []


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("let s = CKDatabaseSubscription(subscriptionID: i)\ninfo.shouldSendContentAvailable = true", Topic.SILENT),
        ("let e = CKSyncEngine(configuration)", Topic.SILENT),
        ('NSPersistentCloudKitContainer(name: "Model")', Topic.SILENT),
        (
            "func windowScene(_ w: UIWindowScene, userDidAcceptCloudKitShareWith m: CKShare.Metadata) {}",
            Topic.SHARE,
        ),
        ("options.cloudKitShareMetadata", Topic.SHARE),
    ],
)
def test_what_lives_by_pushes_and_shares(text: str, topic: Topic) -> None:
    assert topic in {use.topic for use in uses(text)}


def test_pushes_that_people_see_are_not_silent() -> None:
    text = "let s = CKQuerySubscription(recordType: t, predicate: p)\ninfo.alertBody = b"
    assert Topic.SILENT not in {use.topic for use in uses(text)}
