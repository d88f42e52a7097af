import SwiftUI

struct ContentView: View {
    @EnvironmentObject private var store: NodeStore
    @State private var name = ""

    var body: some View {
        NavigationStack {
            List {
                if let problem = store.problem {
                    Text(problem).foregroundStyle(.secondary)
                }
                ForEach(store.nodes) { node in
                    Text(node.name)
                }
            }
            .navigationTitle("Isometry")
            .safeAreaInset(edge: .bottom) {
                TextField("New node", text: $name)
                    .textFieldStyle(.roundedBorder)
                    .padding()
                    .onSubmit {
                        let node = Node(name: name)
                        name = ""
                        Task { await store.add(node) }
                    }
            }
            .task { await store.load() }
        }
    }
}
