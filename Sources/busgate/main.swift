print("busgate")
