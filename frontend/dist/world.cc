// Entering a world: by MPI, by threads of this process, or alone; and the axes of a mesh.
#include "tenon/frontend/dist/world.h"

#include <exception>
#include <thread>

#include "tenon/ir/base/door.h"
#include "tenon/ir/base/environment.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/ranks.h"

namespace tenon::dist {

int Group::rank() const { return world_rank_ / stride_ % size_; }

int World::rank() const { return ranks_->rank; }
int World::size() const { return ranks_->size; }
World::operator Group() const { return Group(rank(), size(), 1, "world"); }
void World::set_timeout(double seconds) const { ranks_->set_timeout(ranks_->world, seconds); }
void World::fail(const std::string& why) const { ranks_->fail(ranks_->world, why.c_str()); }

World init(const At& at) try {
  const tenon_ranks* here = runtime::current_ranks();
  if (here->size > 1 || !launched_by_mpirun()) return World(here);
  std::string why;
  const tenon_ranks* ranks = runtime::mpi_ranks(why);
  if (ranks == nullptr) throw Error("dist::init: mpirun started this process, but " + why, place(at));
  runtime::compare_programs(ranks);
  runtime::set_ranks_of_process(ranks);
  return World(ranks);
} catch (...) {
  leave_with_error("dist::init", place(at));
}

namespace {

// What a rank threw, as text for the others.
std::string reason_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

struct Simulated {
  tenon_simulated* const world;
  explicit Simulated(int n) : world(tenon_simulated_open(n)) {}
  ~Simulated() { tenon_simulated_close(world); }
  Simulated(const Simulated&) = delete;
  Simulated& operator=(const Simulated&) = delete;
};

}  // namespace

namespace detail {

void simulate(int n, void (*f)(const void* context, World world), const void* context, const Location& at) try {
  constexpr int most = 256;
  if (n < 1 || n > most)
    throw Error("dist::simulate: a world of " + std::to_string(n) + " ranks; give 1 to " + std::to_string(most), at);
  const Simulated all(n);
  if (all.world == nullptr) throw std::bad_alloc();
  Mutex lock;
  std::exception_ptr first;
  int failed = -1;
  std::vector<std::thread> threads;
  const auto run = [&](int rank) {
    const tenon_ranks* ranks = tenon_simulated_rank(all.world, rank);
    const runtime::RanksOfThread scope(ranks);
    try {
      f(context, World(ranks));
    } catch (...) {
      const std::exception_ptr thrown = std::current_exception();
      {
        const std::lock_guard hold(lock);
        if (!first) first = thrown, failed = rank;
      }
      ranks->fail(ranks->world, reason_of(thrown).c_str());
      return;
    }
    ranks->leave(ranks->world);
  };
  for (int rank = 0; rank < n; ++rank) threads.emplace_back(run, rank);
  for (std::thread& t : threads) t.join();
  if (first) throw Error("dist::simulate: rank " + std::to_string(failed) + ": " + reason_of(first), at);
} catch (...) {
  leave_with_error("dist::simulate", at);
}

}  // namespace detail

namespace {

std::vector<Mesh::Axis> named(std::initializer_list<std::pair<std::string, int>> axes) {
  std::vector<Mesh::Axis> list;
  for (const auto& [name, size] : axes) list.push_back({name, size});
  return list;
}

}  // namespace

Mesh::Mesh(const World& world, std::initializer_list<std::pair<std::string, int>> axes, const At& at)
    : Mesh(world, named(axes), at) {}

Mesh::Mesh(const World& world, std::vector<Axis> axes, const At& at)
    : world_(world), axes_(std::move(axes)), made_(place(at)) {
  int64_t ranks = 1;
  std::string product;
  for (size_t i = 0; i < axes_.size(); ++i) {
    const Axis& axis = axes_[i];
    if (axis.name.empty()) throw Error("dist::Mesh: axis " + std::to_string(i) + " has no name", made_);
    if (axis.size < 1)
      throw Error("dist::Mesh: axis '" + axis.name + "' has size " + std::to_string(axis.size) + "; give 1 or more",
                  made_);
    for (size_t j = 0; j < i; ++j)
      if (axes_[j].name == axis.name) throw Error("dist::Mesh: two axes are called '" + axis.name + "'", made_);
    ranks = std::min<int64_t>(ranks * axis.size, INT32_MAX);
    product += (i ? " x " : "") + std::to_string(axis.size);
  }
  if (ranks != world.size())
    throw Error("dist::Mesh: " + (product.empty() ? "no axes" : product) + " is " + std::to_string(ranks) +
                    (ranks == 1 ? " rank" : " ranks") + ", and the world has " + std::to_string(world.size()) +
                    "; the sizes of the axes must give the world's",
                made_);
}

Group Mesh::operator[](const std::string& axis) const {
  int stride = 1;
  std::string others;
  for (size_t i = axes_.size(); i-- > 0;) {
    if (axes_[i].name == axis) return Group(world_.rank(), axes_[i].size, stride, axis);
    stride *= axes_[i].size;
    others = "'" + axes_[i].name + "'" + (others.empty() ? "" : ", ") + others;
  }
  throw Error("dist::Mesh: there is no axis '" + axis + "'" + (others.empty() ? "" : ", only " + others), made_);
}

}  // namespace tenon::dist
