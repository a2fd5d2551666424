// Worlds of ranks, the groups that a mesh makes of them, and how one is entered: mpirun, threads of this process, or alone.
// Every rank runs the same program; what it does with the others is in frontend/dist/collectives.h.
#pragma once

#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

struct tenon_ranks;

namespace tenon::dist {

// Ranks that a rank does something with, itself among them: all of a world, or an axis of a mesh. Cheap to copy.
class Group {
 public:
  int rank() const;  // this rank's number in the group
  int size() const { return size_; }
  int stride() const { return stride_; }  // ranks of the world between neighbours
  const std::string& name() const { return name_; }  // of the axis; "world" of all

 private:
  friend class World;
  friend class Mesh;
  Group(int world_rank, int size, int stride, std::string name)
      : world_rank_(world_rank), size_(size), stride_(stride), name_(std::move(name)) {}
  int world_rank_ = 0, size_ = 1, stride_ = 1;
  std::string name_;
};

// All ranks. Cheap to copy.
class World {
 public:
  explicit World(const tenon_ranks* ranks) : ranks_(ranks) {}
  int rank() const;
  int size() const;
  operator Group() const;  // NOLINT: a world is a group
  // How long a collective waits for a rank that does not answer, in seconds; 9 unless TENON_DIST_TIMEOUT says otherwise.
  void set_timeout(double seconds) const;
  // Tells every other rank that this one has failed: their open or next collective is an Error that names it and says why.
  void fail(const std::string& why) const;

 private:
  const tenon_ranks* ranks_;
};

// The world of this thread: in tn::dist::simulate that of its rank; where mpirun (mpiexec, srun) started the process, MPI's, by the
// plug-in libtenon_mpi.so, which is loaded now; else a world of one, in which every collective gives back what it got. Error where
// mpirun started the process and the plug-in is missing, and where the ranks run different programs.
World init(const At& at = At::current());

namespace detail {
void simulate(int n, void (*f)(const void* context, World world), const void* context, const Location& at);
}  // namespace detail

// Runs f for every rank of a world of n, each in a thread of its own, and returns when all have. When one throws, the collectives of
// the others fail and name it, and simulate throws its Error. n: 1 to 256.
template <class F>
void simulate(int n, F&& f, const At& at = At::current()) {
  detail::simulate(
      n, [](const void* context, World world) { (*static_cast<const std::remove_reference_t<F>*>(context))(world); },
      &f, place(at));
}

// A grid of ranks: axes by name and size, the last one fastest, so rank = (... i * size_j + j) ...; mesh["data"] is the group of the
// ranks that differ from this one along "data" alone. Error, on every rank alike, where the sizes do not give the world's.
class Mesh {
 public:
  struct Axis {
    std::string name;
    int size = 1;
  };
  Mesh(const World& world, std::initializer_list<std::pair<std::string, int>> axes, const At& at = At::current());
  Mesh(const World& world, std::vector<Axis> axes, const At& at = At::current());
  Group operator[](const std::string& axis) const;  // Error, which names those that there are, for another
  const std::vector<Axis>& axes() const { return axes_; }
  World world() const { return world_; }
  int size() const { return world_.size(); }

 private:
  World world_;
  std::vector<Axis> axes_;
  Location made_;
};

}  // namespace tenon::dist
