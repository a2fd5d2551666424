// Artifacts to bytes and back. The reader trusts nothing: every length is checked against what is left.
#include "tenon/runtime/artifact.h"

#include <algorithm>
#include <cstring>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/ir/base/error.h"
#include "tenon/runtime/targets.h"

namespace tenon::runtime {
namespace {

constexpr uint32_t format_version = 5;

struct Writer {
  std::string out;
  void u64(uint64_t v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void text(std::string_view s) {
    u64(s.size());
    out.append(s);
  }
  void type(const ir::Type& t) {
    u64(static_cast<uint64_t>(t.dtype));
    u64(t.shape.size());
    for (Dim d : t.shape) u64(static_cast<uint64_t>(d.code()));
  }
};

struct Reader {
  std::string_view in;
  bool ok = true;
  uint64_t u64() {
    if (in.size() < 8) return ok = false, 0;
    uint64_t v;
    std::memcpy(&v, in.data(), 8);
    in.remove_prefix(8);
    return v;
  }
  // A count of items of at least `least` bytes each, so that a forged count cannot allocate more than the input holds.
  uint64_t count(uint64_t least) {
    const uint64_t n = u64();
    if (n > in.size() / least) return ok = false, 0;
    return n;
  }
  std::string text() {
    const uint64_t n = count(1);
    std::string s(in.substr(0, n));
    in.remove_prefix(n);
    return s;
  }
  Dim dim(uint64_t symbols) {
    const int64_t code = static_cast<int64_t>(u64());
    if (code >= 0) return Dim(code);
    if (static_cast<uint64_t>(~code) >= symbols) ok = false;
    return Dim::symbol(static_cast<uint32_t>(~code));
  }
  ir::Type type(uint64_t symbols) {
    ir::Type t;
    const uint64_t dtype = u64();
    if (dtype >= dtype_count) ok = false;
    t.dtype = static_cast<DType>(dtype);
    const uint64_t rank = count(8);
    for (uint64_t i = 0; i < rank && ok; ++i) t.shape.push_back(dim(symbols));
    return t;
  }
};

}  // namespace

std::string Artifact::bytes() const {
  Writer w;
  w.u64(format_version);
  const Manifest& m = manifest;
  w.text(m.entry);
  w.u64(static_cast<uint64_t>(m.kind));
  w.u64(m.needs);
  w.u64(m.symbols.size());
  for (const Symbol& s : m.symbols) {
    w.text(s.name);
    w.u64(static_cast<uint64_t>(s.lower));
    w.u64(static_cast<uint64_t>(s.upper));
    w.u64(static_cast<uint64_t>(s.kind));
    w.u64(static_cast<uint64_t>(s.left.code()));
    w.u64(static_cast<uint64_t>(s.right.code()));
  }
  for (const auto* types : {&m.inputs, &m.outputs}) {
    w.u64(types->size());
    for (const ir::Type& t : *types) w.type(t);
  }
  w.u64(static_cast<uint64_t>(m.arena_bytes));
  w.u64(m.is_static);
  w.u64(m.aliases.size());
  for (auto [i, o] : m.aliases) w.u64(i), w.u64(o);
  w.u64(m.kernels.size());
  for (const KernelRecord& k : m.kernels) {
    for (const auto* s : {&k.name, &k.kind}) w.text(*s);
    for (const Dim d : {k.bytes_read, k.bytes_written, k.flops}) w.u64(static_cast<uint64_t>(d.code()));
    w.u64(k.nodes.size());
    for (uint32_t n : k.nodes) w.u64(n);
  }
  w.u64(m.not_fused.size());
  for (const ir::FusionNote& n : m.not_fused) w.u64(n.producer), w.u64(n.consumer), w.text(n.reason);
  w.u64(m.checks.size());
  for (const CheckRecord& c : m.checks) {
    w.u64(c.node);
    for (const auto* s : {&c.custom_call, &c.message, &c.place}) w.text(*s);
  }
  w.u64(m.ranks);
  w.u64(m.ranks_notes.size());
  for (const ir::RanksNote& n : m.ranks_notes) {
    w.u64(static_cast<uint64_t>(n.op));
    w.text(n.place);
    for (const int64_t word : {n.size, n.bytes, int64_t{n.hidden}, n.hidden_flops}) w.u64(static_cast<uint64_t>(word));
  }
  w.u64(objects.size());
  for (const std::string& o : objects) w.text(o);
  return std::move(w.out);
}

std::string Artifact::archive() const { return codegen::archive_objects(objects, manifest.entry); }

std::string data_object(const std::string& name, const std::string& data) {
  return codegen::data_object(name, data, Target::portable().cpu());
}

std::string Artifact::bundle(int sm) const {
  ensure(manifest.kind == TargetKind::cuda && !objects.empty(), "only a program for a GPU is a bundle");
  std::string out;
  const auto word = [&](uint64_t w) { out.append(reinterpret_cast<const char*>(&w), sizeof w); };
  const auto piece = [&](const std::string& bytes) {
    out.resize((out.size() + 15) / 16 * 16);
    out += bytes;
  };
  for (const uint64_t w : {uint64_t{TENON_BUNDLE_MAGIC}, uint64_t{TENON_LAUNCHES_FORMAT}, static_cast<uint64_t>(sm),
                           uint64_t{objects.size() - 1}, uint64_t{objects.back().size()}, uint64_t{0}})
    word(w);
  for (size_t m = 0; m + 1 < objects.size(); ++m) word(objects[m].size());
  piece(objects.back());
  for (size_t m = 0; m + 1 < objects.size(); ++m) piece(objects[m]);
  constexpr size_t head = 6 * sizeof(uint64_t);
  const uint64_t sum = tenon_bundle_sum(reinterpret_cast<const unsigned char*>(out.data()) + head, out.size() - head);
  std::memcpy(out.data() + head - sizeof sum, &sum, sizeof sum);
  return out;
}

void Artifact::put_constants(const std::vector<std::string>& pieces) {
  if (manifest.kind == TargetKind::cpu) {
    objects.at(0) = codegen::put_constants(std::move(objects.at(0)), pieces);
    return;
  }
  constexpr size_t step = TENON_LAUNCHES_ALIGNMENT;
  for (const std::string& piece : pieces) {
    std::string& list = objects.back();
    list += piece;
    list.resize((list.size() + step - 1) / step * step);
  }
}

std::optional<Artifact> Artifact::from_bytes(std::string_view bytes) {
  Reader r{bytes};
  Artifact a;
  Manifest& m = a.manifest;
  if (r.u64() != format_version) return std::nullopt;
  m.entry = r.text();
  const uint64_t kind = r.u64();
  if (kind > static_cast<uint64_t>(TargetKind::cuda)) r.ok = false;
  m.kind = static_cast<TargetKind>(kind);
  m.needs = r.u64();
  const uint64_t symbols = r.count(48);
  for (uint64_t i = 0; i < symbols && r.ok; ++i) {
    Symbol s;
    s.name = r.text();
    s.lower = static_cast<int64_t>(r.u64());
    s.upper = static_cast<int64_t>(r.u64());
    const uint64_t kind = r.u64();
    if (kind > static_cast<uint64_t>(SymbolKind::maximum)) r.ok = false;
    s.kind = static_cast<SymbolKind>(kind);
    s.left = r.dim(i);
    s.right = r.dim(i);
    m.symbols.push_back(std::move(s));
  }
  for (auto* types : {&m.inputs, &m.outputs}) {
    const uint64_t n = r.count(16);
    for (uint64_t i = 0; i < n && r.ok; ++i) types->push_back(r.type(symbols));
  }
  m.arena_bytes = static_cast<int64_t>(r.u64());
  m.is_static = r.u64() != 0;
  const uint64_t aliases = r.count(16);
  for (uint64_t i = 0; i < aliases && r.ok; ++i) {
    const auto in = static_cast<uint32_t>(r.u64()), out = static_cast<uint32_t>(r.u64());
    if (in >= m.inputs.size() || out >= m.outputs.size()) r.ok = false;
    m.aliases.emplace_back(in, out);
  }
  const uint64_t kernels = r.count(48);
  for (uint64_t i = 0; i < kernels && r.ok; ++i) {
    KernelRecord k;
    for (auto* s : {&k.name, &k.kind}) *s = r.text();
    for (auto* d : {&k.bytes_read, &k.bytes_written, &k.flops}) *d = r.dim(symbols);
    const uint64_t nodes = r.count(8);
    for (uint64_t j = 0; j < nodes && r.ok; ++j) k.nodes.push_back(static_cast<uint32_t>(r.u64()));
    m.kernels.push_back(std::move(k));
  }
  const uint64_t notes = r.count(24);
  for (uint64_t i = 0; i < notes && r.ok; ++i) {
    ir::FusionNote n;
    n.producer = static_cast<uint32_t>(r.u64());
    n.consumer = static_cast<uint32_t>(r.u64());
    n.reason = r.text();
    m.not_fused.push_back(std::move(n));
  }
  const uint64_t checks = r.count(32);
  for (uint64_t i = 0; i < checks && r.ok; ++i) {
    CheckRecord c;
    c.node = static_cast<uint32_t>(r.u64());
    for (auto* s : {&c.custom_call, &c.message, &c.place}) *s = r.text();
    m.checks.push_back(std::move(c));
  }
  m.ranks = r.u64();
  const uint64_t asked = r.count(48);
  for (uint64_t i = 0; i < asked && r.ok; ++i) {
    ir::RanksNote n;
    const uint64_t op = r.u64();
    r.ok = r.ok && op < static_cast<uint64_t>(ir::op_count);
    if (r.ok) n.op = static_cast<ir::Op>(op);
    n.place = r.text();
    n.size = static_cast<int64_t>(r.u64());
    n.bytes = static_cast<int64_t>(r.u64());
    n.hidden = static_cast<uint32_t>(r.u64());
    n.hidden_flops = static_cast<int64_t>(r.u64());
    m.ranks_notes.push_back(std::move(n));
  }
  const uint64_t objects = r.count(8);
  for (uint64_t i = 0; i < objects && r.ok; ++i) a.objects.push_back(r.text());
  if (!r.ok || !r.in.empty() || a.objects.empty() || m.arena_bytes < 0) return std::nullopt;
  return a;
}

Manifest manifest_of(const ir::Graph& graph, const ir::Program& program, const std::string& entry,
                     const Target& target) {
  Manifest m;
  m.entry = entry;
  m.kind = target.kind();
  m.needs = needed_features(target);
  m.inputs = program.inputs;
  m.outputs = program.outputs;
  const auto as_passed = [&](ir::Type& type, ir::ValueId v) {
    if (is_complex(graph.type(v).dtype)) type = graph.type(v);
  };
  for (uint32_t i = 0; i < m.inputs.size(); ++i) as_passed(m.inputs[i], ir::ValueId{i});
  for (uint32_t i = 0; i < m.outputs.size(); ++i) as_passed(m.outputs[i], graph.outputs()[i]);
  for (size_t i = 0; i < program.symbols->size(); ++i) m.symbols.push_back((*program.symbols)[i]);
  m.arena_bytes = program.arena_bytes;
  m.is_static = program.is_static;
  m.aliases = program.aliases;
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    KernelRecord record{program.kernels[i].name, "", {}, 0, 0, 0};
    if (i < program.notes.size()) {
      const ir::KernelNote& note = program.notes[i];
      record.kind = note.kind;
      record.nodes = note.nodes;
      record.bytes_read = note.bytes_read;
      record.bytes_written = note.bytes_written;
      record.flops = note.flops;
    }
    m.kernels.push_back(std::move(record));
  }
  m.not_fused = program.not_fused;
  for (const ir::Step* s : ir::failing_steps(program)) {
    const bool own = s->host == ir::Host::check;
    m.checks.push_back({s->origin, own ? "" : s->custom, own ? s->custom : "", s->place});
  }
  m.ranks = static_cast<uint64_t>(ir::fewest_ranks(program));
  m.ranks_notes = ir::ranks_notes(program);
  return m;
}

}  // namespace tenon::runtime
