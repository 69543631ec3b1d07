"""The guard drill: faults put into copies of real data, to see that each guard fires."""
