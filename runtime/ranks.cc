// Which ranks a thread speaks with, and how the plug-in for MPI is found. Refuses to know MPI.
#include "tenon/runtime/ranks.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include <atomic>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/ir/kernel/collectives.h"
#include "tenon/runtime/cache/build_identity.h"
#include "tenon/runtime/cache/digest.h"

namespace tenon::runtime {

constinit thread_local const tenon_ranks* ranks_of_thread [[gnu::tls_model("initial-exec")]] = nullptr;
constinit std::atomic<const tenon_ranks*> ranks_of_process{nullptr};

namespace {

void run(void* context, ir::Op op, const ir::Collective& what, const ir::Array* operand, ir::Array* result) {
  const auto* ranks = static_cast<const tenon_ranks*>(context);
  ir::RanksStep step;
  step.op = op;
  step.numbers = what.numbers;
  const ir::CollectiveNumbers n = ir::numbers_of(step);
  const std::vector<int32_t> pairs(step.numbers.begin(), step.numbers.end());
  tenon_collective c{};
  c.struct_size = sizeof c;
  c.kind = static_cast<int32_t>(n.kind);
  c.combine = static_cast<int32_t>(n.combine);
  c.size = static_cast<int32_t>(what.size);
  c.stride = static_cast<int32_t>(what.stride);
  c.root = n.root, c.to = n.to, c.from = n.from;
  if (operand != nullptr) {
    c.dtype = static_cast<int32_t>(operand->type.dtype);
    c.count = operand->numel() / (ir::has_block_for_each(op) ? what.size : 1);
  }
  if (n.has_pairs && !pairs.empty()) c.pairs = pairs.data(), c.pair_count = static_cast<int64_t>(pairs.size() / 2);
  c.where = what.place.c_str();
  const int32_t code =
      tenon_ranks_run(ranks, &c, operand ? operand->data.data() : nullptr, result ? result->data.data() : nullptr);
  if (code != TENON_OK) throw Error(ranks->message(ranks->world));
}

int64_t rank_of(void* context) { return static_cast<const tenon_ranks*>(context)->rank; }

// ---- the plug-in

struct Plugin {
  const tenon_ranks* (*ranks)(const char** reason) = nullptr;
  std::string why;
};

// Beside this library, or where the loader looks.
Plugin load_plugin() {
  Plugin plugin;
  Dl_info here{};
  std::string beside;
  if (dladdr(reinterpret_cast<const void*>(&load_plugin), &here) != 0 && here.dli_fname != nullptr) {
    beside = here.dli_fname;
    beside.erase(beside.rfind('/') == std::string::npos ? 0 : beside.rfind('/') + 1);
  }
  void* library = beside.empty() ? nullptr : dlopen((beside + "libtenon_mpi.so").c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) library = dlopen("libtenon_mpi.so", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    plugin.why = "the plug-in for MPI is not here (" + std::string(reason ? reason : "libtenon_mpi.so") +
                 "); build Tenon where an MPI is installed (libopenmpi-dev on Debian), and keep libtenon_mpi.so beside "
                 "the library or in LD_LIBRARY_PATH";
    return plugin;
  }
  plugin.ranks = reinterpret_cast<const tenon_ranks* (*)(const char**)>(dlsym(library, "tenon_mpi_ranks"));
  if (plugin.ranks == nullptr) plugin.why = "libtenon_mpi.so is of another version of Tenon: it has no tenon_mpi_ranks";
  return plugin;
}

}  // namespace

const tenon_ranks* current_ranks() {
  if (ranks_of_thread != nullptr) return ranks_of_thread;
  const tenon_ranks* ranks = ranks_of_process.load(std::memory_order_acquire);
  return ranks != nullptr ? ranks : tenon_ranks_alone();
}

RanksOfThread::RanksOfThread(const tenon_ranks* ranks) : before_(ranks_of_thread) { ranks_of_thread = ranks; }
RanksOfThread::~RanksOfThread() { ranks_of_thread = before_; }
void set_ranks_of_process(const tenon_ranks* ranks) { ranks_of_process.store(ranks, std::memory_order_release); }

InterpretingRanks::InterpretingRanks(const tenon_ranks* ranks)
    : scope_({&run, &rank_of, const_cast<tenon_ranks*>(ranks)}) {}

const tenon_ranks* mpi_ranks(std::string& why) {
  static constinit Forever<const Plugin> known;
  const Plugin& plugin = known.get([] { return new Plugin(load_plugin()); });
  if (plugin.ranks == nullptr) {
    why = plugin.why;
    return nullptr;
  }
  const char* reason = nullptr;
  const tenon_ranks* ranks = plugin.ranks(&reason);
  if (ranks == nullptr) why = reason != nullptr ? reason : "MPI gave no reason";
  return ranks;
}

void gather_bytes(const tenon_ranks* ranks, int size, int stride, std::span<const std::byte> own, void* all,
                  const char* where) {
  tenon_collective c{};
  c.struct_size = sizeof c;
  c.kind = TENON_ALL_GATHER;
  c.dtype = static_cast<int32_t>(DType::u8);
  c.size = size;
  c.stride = stride;
  c.count = static_cast<int64_t>(own.size());
  c.where = where;
  if (tenon_ranks_run(ranks, &c, own.data(), all) != TENON_OK) throw Error(ranks->message(ranks->world));
}

void compare_programs(const tenon_ranks* ranks) {
  const std::string identity = module_identity(reinterpret_cast<const void*>(getauxval(AT_ENTRY)));
  const DigestBytes own = digest(identity);
  std::vector<DigestBytes> all(static_cast<size_t>(ranks->size));
  gather_bytes(ranks, ranks->size, 1, std::as_bytes(std::span(own)), all.data(),
               "the comparison of programs by dist::init");
  for (size_t rank = 0; rank < all.size(); ++rank)
    if (all[rank] != all[0])
      throw Error("rank " + std::to_string(rank) +
                  " runs another program than rank 0; start one executable on all ranks, and "
                  "copy it anew to every host");
}

}  // namespace tenon::runtime
