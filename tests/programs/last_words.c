/* Two lines, not flushed, then SIGKILL: what a program says that is killed for its memory. Linked statically, nothing can be preloaded. */
#include <signal.h>
#include <stdio.h>

int main(void)
{
    printf("first line\n");
    printf("last words\n");
    raise(SIGKILL);
    return 1;
}
