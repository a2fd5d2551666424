// Runs a function on a thread whose stack has 256 KiB: whatever recurses over the depth of a graph overflows it.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

namespace tenon {

template <class F>
void on_small_stack(F body) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, &attributes,
                [](void* f) -> void* {
                  (*static_cast<F*>(f))();
                  return nullptr;
                },
                &body),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace tenon
