import CloudKit
import Foundation

/// The nodes on this device, kept in step with the private CloudKit database.
@MainActor
final class NodeStore: ObservableObject {
    static let container = "iCloud.com.mshaler.isometry"

    @Published private(set) var nodes: [Node] = []
    @Published private(set) var problem: String?

    private let database = CKContainer(identifier: NodeStore.container).privateCloudDatabase
    private let zone = CKRecordZone(zoneName: "IsometryZone")

    func load() async {
        do {
            _ = try await database.save(zone)
            let query = CKQuery(recordType: Node.recordType, predicate: NSPredicate(value: true))
            query.sortDescriptors = [NSSortDescriptor(key: "modifiedAt", ascending: false)]
            let (results, _) = try await database.records(matching: query, inZoneWith: zone.zoneID)
            nodes = results.compactMap { _, result in (try? result.get()).flatMap(Node.init(record:)) }
            UserDefaults.standard.set(Date(), forKey: "lastSync")
            problem = nil
        } catch {
            problem = error.localizedDescription
        }
    }

    func add(_ node: Node) async {
        nodes.insert(node, at: 0)
        do {
            _ = try await database.save(node.record(in: zone.zoneID))
        } catch {
            problem = error.localizedDescription
        }
    }
}
