import CloudKit

/// One item of the graph, as it is kept in the private database.
struct Node: Identifiable, Hashable {
    static let recordType = "Node"

    let id: String
    var name: String
    var content: String
    var folder: String
    var priority: Int
    var modifiedAt: Date

    init(id: String = UUID().uuidString, name: String, content: String = "", folder: String = "", priority: Int = 0) {
        self.id = id
        self.name = name
        self.content = content
        self.folder = folder
        self.priority = priority
        modifiedAt = Date()
    }

    init?(record: CKRecord) {
        guard let name = record["name"] as? String else { return nil }
        id = record.recordID.recordName
        self.name = name
        content = record["content"] as? String ?? ""
        folder = record["folder"] as? String ?? ""
        priority = record["priority"] as? Int ?? 0
        modifiedAt = record["modifiedAt"] as? Date ?? .distantPast
    }

    func record(in zone: CKRecordZone.ID) -> CKRecord {
        let record = CKRecord(recordType: Self.recordType, recordID: CKRecord.ID(recordName: id, zoneID: zone))
        record["name"] = name
        record["content"] = content
        record["folder"] = folder
        record["priority"] = priority
        record["modifiedAt"] = modifiedAt
        return record
    }
}
