/* Prints a line for every SIGTERM and SIGINT it gets, and ends one second after the first. */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t terms, ints;

static void count(int signal_number)
{
    if (signal_number == SIGTERM) terms++;
    else ints++;
}

int main(void)
{
    struct sigaction action = {.sa_handler = count};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    printf("ready\n");
    fflush(stdout);
    while (!terms && !ints) pause();
    for (struct timespec left = {.tv_sec = 1}; nanosleep(&left, &left) != 0;) {
    }
    printf("terms=%d ints=%d\n", (int)terms, (int)ints);
    return 0;
}
