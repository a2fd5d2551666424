// Sections that a fork and the end of the process wait for, and what is built on them: locks that no forked child finds held
// by a thread that it does not have, and objects that it finds made or not made. All of it can be used while a thread or the
// process ends: nothing here has a destructor. Refuses to run a caller's code inside a section: it might wait for the fork.
#pragma once

#include <atomic>
#include <mutex>

namespace tenon {

// While one lives, the process neither forks nor takes down what runs at its end. Sections nest.
class Undisturbed {
 public:
  Undisturbed() { enter(); }
  ~Undisturbed() { leave(); }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;
  static void enter();
  static void leave();
};

// Between the two no other thread is in a section; those that come wait. In a forked child the other threads are no more.
void begin_alone();
void end_alone(bool forked_child = false);

// A mutex whose owner, and whoever waits for it, is in a section. All locks of the library are of this kind, or of the next, or
// are taken inside sections only.
class Mutex {
 public:
  void lock() {
    Undisturbed::enter();
    mutex_.lock();
  }
  void unlock() {
    mutex_.unlock();
    Undisturbed::leave();
  }

 private:
  std::mutex mutex_;
};

// For what is held during a few instructions, at every call: the lock of an object is one of a fixed number that its family
// shares, and begin_alone() takes all of them. Who holds one may lock any Mutex, and no other of the same family.
enum class LockFamily { programs, signatures, tensors };
void lock_briefly(LockFamily family, const void* object);
void unlock_briefly(LockFamily family, const void* object);
template <LockFamily family>
class BriefMutex {
 public:
  void lock() const { lock_briefly(family, this); }
  void unlock() const { unlock_briefly(family, this); }
};

// An object of the process: made when first asked for, never destroyed. A namespace-scope or static `constinit` variable.
template <class T>
class Forever {
 public:
  T& get() {
    return get([] { return new T(); });
  }
  template <class Make>
  T& get(Make make) {
    if (T* const made = made_.load(std::memory_order_acquire)) return *made;
    const std::lock_guard lock(making_);
    if (made_.load(std::memory_order_relaxed) == nullptr) made_.store(make(), std::memory_order_release);
    return *made_.load(std::memory_order_relaxed);
  }
  bool is_made() const { return made_.load(std::memory_order_acquire) != nullptr; }

 private:
  std::atomic<T*> made_{nullptr};
  Mutex making_;
};

}  // namespace tenon
